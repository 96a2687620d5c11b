"""The model in a Gemini path, where other vendors' requests name it in their body.

    /v1beta/models/{model}:generateContent                                     Gemini API
    /v1beta/tunedModels/{model}:generateContent
    /v1/projects/{p}/locations/{l}/publishers/google/models/{model}:generateContent  Vertex AI
    /v1beta1/publishers/google/models/{model}:generateContent                  its express mode
    /v1/projects/{p}/locations/{l}/endpoints/{id}:generateContent              a tuned model there

A model is called by its bare name; what stands in another collection is called by that as well
(`tunedModels/{model}`), so that routes and rate cards can tell the two apart.
"""

MODELS = "models"


def model_of(path: str) -> str:
    place, _, last = path.rpartition("/")
    collection = place.rpartition("/")[2]
    name = last.partition(":")[0]
    return name if collection == MODELS else f"{collection}/{name}"


def verb_of(path: str) -> str:
    """`generateContent`; empty where the path ends in no verb."""
    return path.rpartition("/")[2].partition(":")[2]


def with_model(path: str, model: str) -> str:
    """The same path for another model, as `model_of` would name it."""
    place, _, last = path.rpartition("/")
    above = place.rpartition("/")[0]
    _, colon, verb = last.partition(":")
    return f"{above}/{resource_name(model)}{colon}{verb}"


def resource_name(model: str) -> str:
    """How a body names a model: the other way round of `bare_model`."""
    return model if "/" in model else f"{MODELS}/{model}"


def bare_model(name: str) -> str:
    """The model of a resource name in a body, as `model_of` names it: `models/{model}`, or a
    whole path of Vertex's."""
    return model_of(f"/{name}") if "/" in name else name
