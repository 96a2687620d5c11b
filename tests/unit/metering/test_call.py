from gateway.metering.call import ByPiece, Call, ImageInput, Terms, sold_by_piece


def test_a_call_sold_by_the_piece_has_no_token_to_hold_or_to_count():
    by_piece = ByPiece(most=(("audio_second", 60),), owed=(("audio_second", 60),))
    call = Call(
        model="whisper-1",
        text_bytes=50,
        audio_tokens=600,
        images=(ImageInput(width=None, height=None, detail="auto"),),
        opaque_inputs=1,
        max_output_tokens=None,
        terms=Terms(media=True),
        by_piece=by_piece,
    )

    sold = sold_by_piece(call)

    assert not sold.counts_tokens
    assert 0 == sold.max_output_tokens
    assert (0, 0, 0, ()) == (sold.text_bytes, sold.audio_tokens, sold.opaque_inputs, sold.images)
    assert by_piece.owed == sold.owed
    assert Terms(media=True, pieces=by_piece.most) == sold.terms
