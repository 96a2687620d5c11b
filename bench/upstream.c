/*
 * A model API that costs next to nothing: what the proxies under test talk to.
 *
 * Speaks OpenAI chat completions over HTTP/1.1 with keep-alive on one epoll loop. A POST whose
 * body holds "stream":true is answered by a chunked event stream, any other by a JSON object.
 * The body also says how: "bench_events":"N" content events, "bench_pace_ms":"N" between two
 * of them (0: the whole stream in one write), include_usage: one more event with the usage.
 * Paced events carry the nanosecond (CLOCK_MONOTONIC) at which they were written in their
 * system_fingerprint, so that the load driver on the same machine sees each one's delay.
 *
 * It knows nothing of keys, prices or proxies, and checks nothing: its caller is the benchmark.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    FDS_MAX = 16384,
    REQUEST_BYTES_MAX = 65536,
    BACKLOG_BYTES_MAX = 1 << 20, /* a peer this far behind is cut off */
    EVENT_BYTES = 290,           /* what one event of a current model measures */
    JSON_BYTES = 1003,
    WORDS = 100,
    EVENTS_MAX = 10000,
    PROMPT_TOKENS = 190,
    JSON_OUTPUT_TOKENS = 120,
    LIFETIME_S = 1800, /* a forgotten upstream ends by itself */
};

#define STAMP "fp_00000000000000000000"
#define STAMP_DIGITS 20

struct text {
    char *bytes;
    size_t length, capacity;
};

struct conn {
    int fd;
    char *request;
    size_t request_length;
    struct text backlog; /* bytes the peer has not taken yet */
    bool streaming;      /* a paced stream is running */
    bool usage;
    int events, sent;
    uint64_t pace_ns, due_ns;
    int heap_index;
};

static struct conn *conns[FDS_MAX];
static struct conn *heap[FDS_MAX]; /* running paced streams, the next due first */
static int heap_size;
static int epoll_fd, timer_fd;

static struct text word_events[WORDS]; /* chunk-framed content events, one per word */
static size_t stamp_at[WORDS];         /* where the digits of the stamp start in each */
static struct text json_reply;

static const char STREAM_HEAD[] =
    "HTTP/1.1 200 OK\r\n"
    "Date: Mon, 23 Nov 2026 12:00:00 GMT\r\n"
    "Content-Type: text/event-stream; charset=utf-8\r\n"
    "Transfer-Encoding: chunked\r\n"
    "Connection: keep-alive\r\n"
    "Cache-Control: no-cache\r\n"
    "openai-organization: bench\r\n"
    "openai-processing-ms: 12\r\n"
    "openai-version: 2020-10-01\r\n"
    "x-request-id: req_0123456789abcdef0123456789abcdef\r\n\r\n";

static const char JSON_HEAD[] =
    "HTTP/1.1 200 OK\r\n"
    "Date: Mon, 23 Nov 2026 12:00:00 GMT\r\n"
    "Content-Type: application/json\r\n"
    "Content-Length: %d\r\n"
    "Connection: keep-alive\r\n"
    "openai-organization: bench\r\n"
    "openai-processing-ms: 12\r\n"
    "openai-version: 2020-10-01\r\n"
    "x-request-id: req_0123456789abcdef0123456789abcdef\r\n\r\n";

#define EVENT_OPEN \
    "data: {\"id\":\"chatcmpl-Bench0123456789abcdefghijkl\",\"object\":\"chat.completion.chunk\"," \
    "\"created\":1795435200,\"model\":\"bench-model\",\"system_fingerprint\":\"" STAMP "\","

static const char *const VOCABULARY[] = {
    " the", " meter", " counts", " every", " token", " of", " a", " stream", " once", " and",
    " then", " it", " takes", " them", " from", " what", " was", " paid", " for", " before",
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void *must(void *pointer)
{
    if (!pointer) {
        fprintf(stderr, "upstream: out of memory\n");
        exit(1);
    }
    return pointer;
}

static void append(struct text *text, const char *bytes, size_t length)
{
    if (text->length + length > text->capacity) {
        text->capacity = (text->length + length) * 2;
        text->bytes = must(realloc(text->bytes, text->capacity));
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

__attribute__((format(printf, 2, 3))) static void format(struct text *text, const char *pattern, ...)
{
    char line[2048];
    va_list arguments;
    va_start(arguments, pattern);
    int length = vsnprintf(line, sizeof line, pattern, arguments);
    va_end(arguments);
    append(text, line, (size_t)length);
}

/* One event as its own chunk, as servers that flush per event send it. */
static void append_event(struct text *out, const struct text *event)
{
    format(out, "%zx\r\n", event->length);
    append(out, event->bytes, event->length);
    append(out, "\r\n", 2);
}

static void append_formatted_event(struct text *out, const char *rest)
{
    struct text event = {0};
    append(&event, EVENT_OPEN, sizeof EVENT_OPEN - 1);
    append(&event, rest, strlen(rest));
    append_event(out, &event);
    free(event.bytes);
}

static void build_word_event(int index)
{
    static const char FILLER[] =
        "xY7mKp2QvTzR4wLc9NbHs6JdGf3AeUo8iMtVkXyPqZrWnCjBhSlDgFuEaO";
    const char *word = VOCABULARY[index % (int)(sizeof VOCABULARY / sizeof *VOCABULARY)];
    struct text event = {0};
    append(&event, EVENT_OPEN, sizeof EVENT_OPEN - 1);
    format(&event,
           "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"},\"finish_reason\":null}],"
           "\"obfuscation\":\"",
           word);
    /* Real streams pad events to a common size with this field; 4 bytes close the event. */
    size_t padding = EVENT_BYTES - 4 - event.length;
    append(&event, FILLER, padding < sizeof FILLER - 1 ? padding : sizeof FILLER - 1);
    append(&event, "\"}\n\n", 4);
    append_event(&word_events[index], &event);
    char *stamp = must(memmem(word_events[index].bytes, word_events[index].length, STAMP, sizeof STAMP - 1));
    stamp_at[index] = (size_t)(stamp - word_events[index].bytes) + strlen("fp_");
    free(event.bytes);
}

static void append_opening(struct text *out)
{
    append(out, STREAM_HEAD, sizeof STREAM_HEAD - 1);
    append_formatted_event(out, "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\","
                                "\"content\":\"\",\"refusal\":null},\"finish_reason\":null}]}\n\n");
}

static void append_closing(struct text *out, int events, bool usage)
{
    static const struct text DONE = {.bytes = "data: [DONE]\n\n", .length = 14};
    append_formatted_event(
        out, "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n");
    if (usage) {
        char rest[512];
        snprintf(rest, sizeof rest,
                 "\"choices\":[],\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%d,"
                 "\"total_tokens\":%d,\"prompt_tokens_details\":{\"cached_tokens\":0},"
                 "\"completion_tokens_details\":{\"reasoning_tokens\":0}}}\n\n",
                 PROMPT_TOKENS, events, PROMPT_TOKENS + events);
        append_formatted_event(out, rest);
    }
    append_event(out, &DONE);
    append(out, "0\r\n\r\n", 5);
}

static void build_json_reply(void)
{
    struct text body = {0}, tail = {0};
    format(&body, "{\"id\":\"chatcmpl-Bench0123456789abcdefghijkl\",\"object\":\"chat.completion\","
                  "\"created\":1795435200,\"model\":\"bench-model\",\"choices\":[{\"index\":0,"
                  "\"message\":{\"role\":\"assistant\",\"content\":\"");
    format(&tail,
           "\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
           "\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%d,\"total_tokens\":%d,"
           "\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},"
           "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0}},"
           "\"service_tier\":\"default\",\"system_fingerprint\":\"" STAMP "\"}",
           PROMPT_TOKENS, JSON_OUTPUT_TOKENS, PROMPT_TOKENS + JSON_OUTPUT_TOKENS);
    for (int index = 0; body.length + tail.length < JSON_BYTES; index++) {
        const char *word = VOCABULARY[index % (int)(sizeof VOCABULARY / sizeof *VOCABULARY)];
        size_t room = JSON_BYTES - body.length - tail.length;
        append(&body, word, strlen(word) < room ? strlen(word) : room);
    }
    append(&body, tail.bytes, tail.length);
    format(&json_reply, JSON_HEAD, (int)body.length);
    append(&json_reply, body.bytes, body.length);
    free(body.bytes);
    free(tail.bytes);
}

/* --- running paced streams, a binary heap by due time ------------------------------------- */

static void heap_put(int index, struct conn *conn)
{
    heap[index] = conn;
    conn->heap_index = index;
}

static void heap_settle(int index)
{
    struct conn *conn = heap[index];
    while (index > 0 && heap[(index - 1) / 2]->due_ns > conn->due_ns) {
        heap_put(index, heap[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    for (;;) {
        int child = 2 * index + 1;
        if (child >= heap_size)
            break;
        if (child + 1 < heap_size && heap[child + 1]->due_ns < heap[child]->due_ns)
            child++;
        if (heap[child]->due_ns >= conn->due_ns)
            break;
        heap_put(index, heap[child]);
        index = child;
    }
    heap_put(index, conn);
}

static void stop_stream(struct conn *conn)
{
    if (!conn->streaming)
        return;
    conn->streaming = false;
    int index = conn->heap_index;
    heap_size--;
    if (index < heap_size) {
        heap_put(index, heap[heap_size]);
        heap_settle(index);
    }
}

static void arm_timer(void)
{
    static uint64_t armed_ns;
    uint64_t due_ns = heap_size ? heap[0]->due_ns : 0;
    if (due_ns == armed_ns && due_ns > now_ns())
        return;
    armed_ns = due_ns;
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(due_ns / 1000000000u),
                                           .tv_nsec = (long)(due_ns % 1000000000u)}};
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* --- connections -------------------------------------------------------------------------- */

static void drop(struct conn *conn)
{
    stop_stream(conn);
    conns[conn->fd] = NULL;
    close(conn->fd);
    free(conn->request);
    free(conn->backlog.bytes);
    free(conn);
}

static void watch(struct conn *conn, int operation)
{
    uint32_t interest = EPOLLIN | (conn->backlog.length ? (uint32_t)EPOLLOUT : 0u);
    struct epoll_event event = {.events = interest, .data.fd = conn->fd};
    epoll_ctl(epoll_fd, operation, conn->fd, &event);
}

/* False when the connection had to be dropped. */
static bool say(struct conn *conn, const char *bytes, size_t length)
{
    ssize_t taken = 0;
    if (!conn->backlog.length) {
        taken = send(conn->fd, bytes, length, MSG_NOSIGNAL);
        if (taken < 0 && errno != EAGAIN) {
            drop(conn);
            return false;
        }
        taken = taken < 0 ? 0 : taken;
    }
    if ((size_t)taken == length)
        return true;
    append(&conn->backlog, bytes + taken, length - (size_t)taken);
    if (conn->backlog.length > BACKLOG_BYTES_MAX) {
        drop(conn);
        return false;
    }
    watch(conn, EPOLL_CTL_MOD);
    return true;
}

static bool flush(struct conn *conn)
{
    ssize_t taken = send(conn->fd, conn->backlog.bytes, conn->backlog.length, MSG_NOSIGNAL);
    if (taken < 0 && errno != EAGAIN) {
        drop(conn);
        return false;
    }
    if (taken > 0) {
        conn->backlog.length -= (size_t)taken;
        memmove(conn->backlog.bytes, conn->backlog.bytes + taken, conn->backlog.length);
    }
    if (!conn->backlog.length)
        watch(conn, EPOLL_CTL_MOD);
    return true;
}

static bool say_burst(struct conn *conn, int events, bool usage)
{
    static struct text replies[EVENTS_MAX + 1][2]; /* built on first use, kept */
    struct text *reply = &replies[events][usage];
    if (!reply->length) {
        append_opening(reply);
        for (int sent = 0; sent < events; sent++)
            append(reply, word_events[sent % WORDS].bytes, word_events[sent % WORDS].length);
        append_closing(reply, events, usage);
    }
    return say(conn, reply->bytes, reply->length);
}

static bool start_stream(struct conn *conn)
{
    static struct text opening;
    if (!opening.length)
        append_opening(&opening);
    if (!say(conn, opening.bytes, opening.length))
        return false;
    conn->streaming = true;
    conn->sent = 0;
    conn->due_ns = now_ns() + conn->pace_ns;
    heap_size++;
    heap_put(heap_size - 1, conn);
    heap_settle(heap_size - 1);
    return true;
}

static bool say_word(struct conn *conn)
{
    char stamped[EVENT_BYTES + 64], digits[STAMP_DIGITS + 1];
    int index = conn->sent % WORDS;
    memcpy(stamped, word_events[index].bytes, word_events[index].length);
    snprintf(digits, sizeof digits, "%0*llu", STAMP_DIGITS, (unsigned long long)now_ns());
    memcpy(stamped + stamp_at[index], digits, STAMP_DIGITS);
    return say(conn, stamped, word_events[index].length);
}

static bool say_closing(struct conn *conn)
{
    struct text closing = {0};
    append_closing(&closing, conn->events, conn->usage);
    bool alive = say(conn, closing.bytes, closing.length);
    free(closing.bytes);
    return alive;
}

static bool answer_waiting_requests(struct conn *conn);

static void advance_streams(void)
{
    uint64_t now = now_ns();
    while (heap_size && heap[0]->due_ns <= now) {
        struct conn *conn = heap[0];
        if (conn->sent == conn->events) {
            stop_stream(conn);
            if (say_closing(conn))
                answer_waiting_requests(conn);
            continue;
        }
        if (!say_word(conn))
            continue;
        conn->sent++;
        conn->due_ns += conn->pace_ns;
        heap_settle(0);
    }
}

static int number_after(const char *text, size_t length, const char *name, int otherwise)
{
    const char *found = memmem(text, length, name, strlen(name));
    return found ? atoi(found + strlen(name)) : otherwise;
}

static bool answer(struct conn *conn, const char *body, size_t length)
{
    if (!memmem(body, length, "\"stream\":true", 13))
        return say(conn, json_reply.bytes, json_reply.length);
    int events = number_after(body, length, "\"bench_events\":\"", 100);
    int pace_ms = number_after(body, length, "\"bench_pace_ms\":\"", 0);
    conn->events = events < 0 ? 0 : events > EVENTS_MAX ? EVENTS_MAX : events;
    conn->usage = memmem(body, length, "include_usage", 13) != NULL;
    if (pace_ms <= 0)
        return say_burst(conn, conn->events, conn->usage);
    conn->pace_ns = (uint64_t)pace_ms * 1000000u;
    return start_stream(conn);
}

static size_t body_length(const char *head, size_t length)
{
    static const char NAME[] = "\ncontent-length:";
    for (size_t at = 0; at + sizeof NAME - 1 < length; at++)
        if (head[at] == '\n' && !strncasecmp(head + at, NAME, sizeof NAME - 1))
            return (size_t)atol(head + at + sizeof NAME - 1);
    return 0;
}

static bool answer_waiting_requests(struct conn *conn)
{
    while (!conn->streaming && conn->request_length) {
        char *end = memmem(conn->request, conn->request_length, "\r\n\r\n", 4);
        if (!end)
            return true;
        size_t head = (size_t)(end - conn->request) + 4;
        size_t body = body_length(conn->request, head);
        if (body > REQUEST_BYTES_MAX - head) {
            drop(conn);
            return false;
        }
        if (conn->request_length < head + body)
            return true;
        if (!answer(conn, conn->request + head, body))
            return false;
        conn->request_length -= head + body;
        memmove(conn->request, conn->request + head + body, conn->request_length);
    }
    return true;
}

static void hear(struct conn *conn)
{
    size_t room = REQUEST_BYTES_MAX - conn->request_length;
    ssize_t heard = recv(conn->fd, conn->request + conn->request_length, room, 0);
    if (heard < 0 && errno == EAGAIN)
        return;
    if (heard <= 0) {
        drop(conn);
        return;
    }
    conn->request_length += (size_t)heard;
    answer_waiting_requests(conn);
}

static void welcome(int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        if (fd >= FDS_MAX) {
            close(fd);
            return;
        }
        int yes = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct conn *conn = must(calloc(1, sizeof *conn));
        conn->fd = fd;
        conn->request = must(malloc(REQUEST_BYTES_MAX));
        conns[fd] = conn;
        watch(conn, EPOLL_CTL_ADD);
    }
}

static int listen_on_loopback(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) {
        perror("upstream: listen");
        exit(1);
    }
    return fd;
}

static void watch_plain(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void handle(const struct epoll_event *event, int listener)
{
    int fd = event->data.fd;
    if (fd == listener) {
        welcome(listener);
        return;
    }
    if (fd == timer_fd) {
        uint64_t expirations;
        if (read(timer_fd, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
            perror("upstream: timer");
        return;
    }
    struct conn *conn = conns[fd];
    if (conn && (event->events & EPOLLOUT) && !flush(conn))
        return;
    if (conn && (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        hear(conn);
}

int main(int count, char **arguments)
{
    if (count != 2) {
        fprintf(stderr, "usage: upstream PORT\n");
        return 1;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* never outlive the benchmark */
    prctl(PR_SET_TIMERSLACK, 1000ul, 0ul, 0ul, 0ul);
    alarm(LIFETIME_S);
    for (int index = 0; index < WORDS; index++)
        build_word_event(index);
    build_json_reply();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    int listener = listen_on_loopback(atoi(arguments[1]));
    watch_plain(listener);
    watch_plain(timer_fd);
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[256];
        int ready = epoll_wait(epoll_fd, events, 256, 1000);
        if (ready < 0 && errno != EINTR)
            return 1;
        for (int index = 0; index < ready; index++)
            handle(&events[index], listener);
        advance_streams();
        arm_timer();
    }
}
