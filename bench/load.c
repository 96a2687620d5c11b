/*
 * The load driver: N keep-alive connections in a closed loop, every answer checked.
 *
 * Each connection sends the same chat completion again and again, the next one when the answer
 * to the last is complete. An answer counts when its status is 200, its decoded body has the
 * expected length and, for a stream, the expected events and [DONE]. Latencies are taken with
 * CLOCK_MONOTONIC: to the first body byte, to the end, and for paced streams per event, from the
 * nanosecond the upstream wrote into it. One JSON object on stdout; failures also on stderr.
 *
 * It does not know what it is talking to, and drives loopback only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    HEAD_BYTES_MAX = 16384,
    LINE_BYTES_MAX = 8192,
    READ_BYTES = 65536,
    FAILURES_SHOWN = 5,
    SAMPLES_MAX = 4000000, /* per series; later ones are not recorded */
};

enum phase { WAITING, CONNECTING, SENDING, HEAD, FIXED, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER, COMPLETE, OVER };

struct conn {
    int fd;
    enum phase phase;
    int answered;
    uint64_t start_ns, first_ns;
    size_t sent;
    char head[HEAD_BYTES_MAX];
    size_t head_length;
    int status;
    uint64_t left; /* bytes of the body or of the chunk still to come */
    size_t trailer_length;
    uint64_t bytes, events;
    bool done, close_after;
    char line[LINE_BYTES_MAX];
    size_t line_length;
};

struct series {
    uint64_t *ns;
    size_t length;
};

static struct {
    int port, connections, each, ramp_ms, timeout_s;
    long expect_bytes, expect_events;
    bool stream;
    const char *key, *body_path, *path;
    char headers[2048]; /* lines of their own, each with its line end */
} options = {.connections = 1,
             .each = 1,
             .timeout_s = 60,
             .expect_bytes = -1,
             .expect_events = -1,
             .path = "/v1/chat/completions"};

static struct conn *conns;
static int epoll_fd;
static char request[32768];
static size_t request_length;
static struct series first_byte, total, event_delay;
static long answered, failed, reconnected, bytes_seen, events_seen;
static int open_now, open_max, over;
static uint64_t begin_ns, end_ns;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void give_up(const char *why)
{
    fprintf(stderr, "load: %s\n", why);
    exit(1);
}

static void record(struct series *series, uint64_t ns)
{
    if (!series->ns && !(series->ns = malloc(SAMPLES_MAX * sizeof *series->ns)))
        give_up("out of memory");
    if (series->length < SAMPLES_MAX)
        series->ns[series->length++] = ns;
}

/* --- one connection ----------------------------------------------------------------------- */

static void watch(struct conn *conn, int operation, uint32_t interest)
{
    struct epoll_event event = {.events = interest, .data.ptr = conn};
    epoll_ctl(epoll_fd, operation, conn->fd, &event);
}

static void dial(struct conn *conn)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int yes = 1;
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        give_up("no more sockets: raise the limit of open files");
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(conn->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS)
        give_up("cannot connect");
    conn->phase = CONNECTING;
    watch(conn, EPOLL_CTL_ADD, EPOLLOUT);
}

static void hang_up(struct conn *conn)
{
    close(conn->fd);
    conn->fd = -1;
}

/* The request's clock starts here, so a first request pays for its connection as well. */
static void begin(struct conn *conn)
{
    conn->start_ns = now_ns();
    conn->first_ns = 0;
    conn->sent = conn->head_length = conn->line_length = 0;
    conn->bytes = conn->events = 0;
    conn->done = conn->close_after = false;
}

static void push(struct conn *conn)
{
    ssize_t taken = send(conn->fd, request + conn->sent, request_length - conn->sent, MSG_NOSIGNAL);
    if (taken < 0 && errno != EAGAIN)
        taken = 0; /* the read that follows tells why */
    if (taken > 0)
        conn->sent += (size_t)taken;
    bool all = conn->sent == request_length;
    enum phase before = conn->phase;
    conn->phase = all ? HEAD : SENDING;
    if (before == CONNECTING || before == SENDING || !all)
        watch(conn, EPOLL_CTL_MOD, all ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

static void next_or_over(struct conn *conn)
{
    conn->answered++;
    if (conn->answered == options.each) {
        if (conn->fd >= 0)
            hang_up(conn);
        conn->phase = OVER;
        over++;
        return;
    }
    if (conn->close_after && conn->fd >= 0)
        hang_up(conn);
    begin(conn);
    if (conn->fd >= 0) {
        push(conn);
        return;
    }
    reconnected++;
    dial(conn);
}

static void fail(struct conn *conn, const char *why)
{
    if (failed++ < FAILURES_SHOWN)
        fprintf(stderr, "load: %s (status %d, %llu bytes, %llu events, done %d)\n%.*s%.*s\n", why,
                conn->status, (unsigned long long)conn->bytes, (unsigned long long)conn->events,
                conn->done, (int)conn->head_length, conn->head, (int)conn->line_length, conn->line);
    if (conn->first_ns)
        open_now--;
    hang_up(conn);
    next_or_over(conn);
}

static const char *fault_of(const struct conn *conn)
{
    if (conn->status != 200)
        return "status is not 200";
    if (options.expect_bytes >= 0 && (long)conn->bytes != options.expect_bytes)
        return "unexpected length";
    if (options.stream && !conn->done)
        return "stream without [DONE]";
    if (options.stream && options.expect_events >= 0 && (long)conn->events != options.expect_events)
        return "unexpected number of events";
    return NULL;
}

static void finish(struct conn *conn)
{
    const char *fault = fault_of(conn);
    bytes_seen += (long)conn->bytes;
    events_seen += (long)conn->events;
    if (fault) {
        fail(conn, fault);
        return;
    }
    uint64_t now = now_ns();
    record(&first_byte, conn->first_ns - conn->start_ns);
    record(&total, now - conn->start_ns);
    answered++;
    open_now--;
    next_or_over(conn);
}

/* --- the answer --------------------------------------------------------------------------- */

static void read_line(struct conn *conn, const char *line, size_t length, uint64_t now)
{
    static const char STAMP[] = "\"system_fingerprint\":\"fp_";
    if (length < 6 || memcmp(line, "data: ", 6))
        return;
    if (length >= 12 && !memcmp(line + 6, "[DONE]", 6)) {
        conn->done = true;
        return;
    }
    conn->events++;
    const char *stamp = memmem(line, length, STAMP, sizeof STAMP - 1);
    uint64_t written_ns = stamp ? strtoull(stamp + sizeof STAMP - 1, NULL, 10) : 0;
    if (written_ns)
        record(&event_delay, now - written_ns);
}

static void read_payload(struct conn *conn, const char *bytes, size_t length, uint64_t now)
{
    conn->bytes += length;
    if (!options.stream || conn->status != 200) {
        size_t room = sizeof conn->line - conn->line_length;
        size_t kept = length < room ? length : room; /* shown if the answer is a failure */
        memcpy(conn->line + conn->line_length, bytes, kept);
        conn->line_length += kept;
        return;
    }
    while (length) {
        const char *end = memchr(bytes, '\n', length);
        size_t part = end ? (size_t)(end - bytes) : length;
        if (end && !conn->line_length) {
            read_line(conn, bytes, part, now);
        } else if (conn->line_length + part <= sizeof conn->line) {
            memcpy(conn->line + conn->line_length, bytes, part);
            conn->line_length += part;
            if (end)
                read_line(conn, conn->line, conn->line_length, now);
        }
        if (end)
            conn->line_length = 0;
        part += end != NULL;
        bytes += part;
        length -= part;
    }
}

static const char *header(const struct conn *conn, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = conn->head; (at = memchr(at, '\n', conn->head_length - (size_t)(at - conn->head))); ) {
        at++;
        if ((size_t)(at - conn->head) + length > conn->head_length)
            return NULL;
        if (!strncasecmp(at, name, length))
            return at + length;
    }
    return NULL;
}

/* Bytes of the input that belong to the head; 0 when the head does not fit. */
static size_t read_head(struct conn *conn, const char *bytes, size_t length)
{
    size_t before = conn->head_length;
    size_t room = sizeof conn->head - 1 - before;
    size_t taken = length < room ? length : room;
    memcpy(conn->head + before, bytes, taken);
    conn->head_length += taken;
    conn->head[conn->head_length] = 0;
    char *end = memmem(conn->head, conn->head_length, "\r\n\r\n", 4);
    if (!end)
        return taken;
    conn->head_length = (size_t)(end - conn->head) + 4;
    conn->head[conn->head_length] = 0;
    conn->status = conn->head_length > 12 ? atoi(conn->head + 9) : 0;
    const char *size = header(conn, "content-length:"), *coding = header(conn, "transfer-encoding:");
    const char *connection = header(conn, "connection:");
    conn->close_after = connection && strcasestr(connection, "close") &&
                        strcasestr(connection, "close") < strchr(connection, '\r');
    conn->left = size ? strtoull(size, NULL, 10) : 0;
    conn->phase = coding ? CHUNK_SIZE : conn->left ? FIXED : COMPLETE;
    if (coding)
        conn->left = 0;
    return conn->head_length - before;
}

static int hex_digit(char symbol)
{
    if (symbol >= '0' && symbol <= '9')
        return symbol - '0';
    symbol |= 0x20;
    return symbol >= 'a' && symbol <= 'f' ? symbol - 'a' + 10 : -1;
}

static void read_framing(struct conn *conn, char symbol)
{
    if (conn->phase == CHUNK_SIZE) {
        int digit = hex_digit(symbol);
        if (digit >= 0)
            conn->left = conn->left * 16 + (uint64_t)digit;
        if (symbol == '\n')
            conn->phase = conn->left ? CHUNK_DATA : TRAILER;
        conn->trailer_length = 0;
    } else if (conn->phase == CHUNK_END) {
        if (symbol == '\n')
            conn->phase = CHUNK_SIZE;
    } else if (symbol == '\n') {
        if (!conn->trailer_length)
            conn->phase = COMPLETE;
        conn->trailer_length = 0;
    } else if (symbol != '\r') {
        conn->trailer_length++;
    }
}

static void read_answer(struct conn *conn, const char *bytes, size_t length, uint64_t now)
{
    while (length && conn->phase != COMPLETE) {
        size_t taken = 1;
        if (conn->phase == HEAD) {
            taken = read_head(conn, bytes, length);
            if (!taken)
                return;
        } else if (conn->phase == FIXED || conn->phase == CHUNK_DATA) {
            taken = length < conn->left ? length : (size_t)conn->left;
            if (!conn->first_ns) {
                conn->first_ns = now;
                open_max = ++open_now > open_max ? open_now : open_max;
            }
            read_payload(conn, bytes, taken, now);
            conn->left -= taken;
            if (!conn->left)
                conn->phase = conn->phase == FIXED ? COMPLETE : CHUNK_END;
        } else {
            read_framing(conn, *bytes);
        }
        bytes += taken;
        length -= taken;
    }
}

static void hear(struct conn *conn)
{
    static char input[READ_BYTES];
    ssize_t heard = recv(conn->fd, input, sizeof input, 0);
    if (heard < 0 && errno == EAGAIN)
        return;
    if (heard <= 0) {
        fail(conn, heard ? strerror(errno) : "closed before the answer was complete");
        return;
    }
    if (conn->phase == SENDING)
        conn->phase = HEAD; /* an early answer, most likely a refusal */
    read_answer(conn, input, (size_t)heard, now_ns());
    if (conn->phase == COMPLETE)
        finish(conn);
    else if (conn->phase == HEAD && conn->head_length == sizeof conn->head - 1)
        fail(conn, "head too long");
}

/* --- the run ------------------------------------------------------------------------------ */

/* Start every connection whose time has come; milliseconds until the next one, 100 at most. */
static int start_due(void)
{
    static int started;
    while (started < options.connections) {
        uint64_t due = begin_ns + (uint64_t)options.ramp_ms * 1000000u / (uint64_t)options.connections *
                                      (uint64_t)started;
        uint64_t now = now_ns();
        if (due > now) {
            uint64_t wait_ms = (due - now) / 1000000u;
            return wait_ms < 100 ? (int)wait_ms : 100;
        }
        struct conn *conn = &conns[started++];
        begin(conn);
        dial(conn);
    }
    return 100;
}

static bool run(void)
{
    uint64_t deadline = begin_ns + (uint64_t)options.timeout_s * 1000000000u;
    while (over < options.connections) {
        int wait_ms = start_due();
        struct epoll_event events[256];
        int ready = epoll_wait(epoll_fd, events, 256, wait_ms);
        for (int index = 0; index < ready; index++) {
            struct conn *conn = events[index].data.ptr;
            if (conn->phase == OVER || conn->fd < 0)
                continue;
            if ((conn->phase == CONNECTING || conn->phase == SENDING) && (events[index].events & EPOLLOUT))
                push(conn);
            if (events[index].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                hear(conn);
        }
        if (now_ns() > deadline)
            return false;
    }
    return true;
}

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void print_series(const char *name, struct series *series)
{
    qsort(series->ns, series->length, sizeof *series->ns, compare);
    size_t length = series->length;
    double p50 = length ? (double)series->ns[length / 2] / 1000.0 : 0;
    double p99 = length ? (double)series->ns[length - 1 - length / 100] / 1000.0 : 0;
    printf("\"%s\":{\"count\":%zu,\"p50\":%.1f,\"p99\":%.1f},", name, length, p50, p99);
}

static void print_result(bool in_time)
{
    double seconds = (double)(end_ns - begin_ns) / 1e9;
    printf("{");
    print_series("first_byte_us", &first_byte);
    print_series("total_us", &total);
    print_series("event_delay_us", &event_delay);
    printf("\"answered\":%ld,\"failed\":%ld,\"reconnected\":%ld,\"open_max\":%d,"
           "\"bytes\":%ld,\"events\":%ld,\"seconds\":%.6f,\"per_second\":%.1f,\"in_time\":%s}\n",
           answered, failed, reconnected, open_max, bytes_seen, events_seen, seconds,
           (double)answered / seconds, in_time ? "true" : "false");
}

static void build_request(void)
{
    static char body[16384];
    FILE *file = fopen(options.body_path, "rb");
    if (!file)
        give_up("cannot read the body");
    size_t length = fread(body, 1, sizeof body, file);
    fclose(file);
    /* What the official Python SDK sends. */
    int head = snprintf(request, sizeof request,
                        "POST %s HTTP/1.1\r\n"
                        "Host: 127.0.0.1:%d\r\n"
                        "Accept-Encoding: gzip, deflate\r\n"
                        "Connection: keep-alive\r\n"
                        "Accept: application/json\r\n"
                        "Content-Type: application/json\r\n"
                        "User-Agent: OpenAI/Python 3.54.0\r\n"
                        "X-Stainless-Lang: python\r\n"
                        "X-Stainless-Package-Version: 3.54.0\r\n"
                        "X-Stainless-OS: Linux\r\n"
                        "X-Stainless-Arch: x64\r\n"
                        "X-Stainless-Runtime: CPython\r\n"
                        "X-Stainless-Runtime-Version: 3.11.7\r\n"
                        "X-Stainless-Async: false\r\n"
                        "X-Stainless-Retry-Count: 0\r\n"
                        "X-Stainless-Read-Timeout: 600\r\n"
                        "Authorization: Bearer %s\r\n"
                        "%s"
                        "Content-Length: %zu\r\n\r\n",
                        options.path, options.port, options.key, options.headers, length);
    if (head < 0 || (size_t)head + length > sizeof request)
        give_up("request too long");
    memcpy(request + head, body, length);
    request_length = (size_t)head + length;
}

static void add_header(const char *line)
{
    size_t length = strlen(options.headers), room = sizeof options.headers - length;
    if ((size_t)snprintf(options.headers + length, room, "%s\r\n", line) >= room)
        give_up("too many headers");
}

static void read_options(int count, char **arguments)
{
    static const struct option NAMES[] = {
        {"port", required_argument, NULL, 'p'},        {"connections", required_argument, NULL, 'c'},
        {"each", required_argument, NULL, 'n'},        {"ramp-ms", required_argument, NULL, 'r'},
        {"timeout-s", required_argument, NULL, 't'},   {"expect-bytes", required_argument, NULL, 'b'},
        {"expect-events", required_argument, NULL, 'e'}, {"stream", no_argument, NULL, 's'},
        {"key", required_argument, NULL, 'k'},         {"body", required_argument, NULL, 'f'},
        {"path", required_argument, NULL, 'P'},        {"header", required_argument, NULL, 'H'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(count, arguments, "", NAMES, NULL)) != -1)
        switch (option) {
        case 'p': options.port = atoi(optarg); break;
        case 'c': options.connections = atoi(optarg); break;
        case 'n': options.each = atoi(optarg); break;
        case 'r': options.ramp_ms = atoi(optarg); break;
        case 't': options.timeout_s = atoi(optarg); break;
        case 'b': options.expect_bytes = atol(optarg); break;
        case 'e': options.expect_events = atol(optarg); break;
        case 's': options.stream = true; break;
        case 'k': options.key = optarg; break;
        case 'f': options.body_path = optarg; break;
        case 'P': options.path = optarg; break;
        case 'H': add_header(optarg); break;
        default: exit(1);
        }
    if (!options.port || !options.key || !options.body_path || options.connections < 1 || options.each < 1)
        give_up("--port, --key and --body are needed; --connections and --each are at least 1");
}

int main(int count, char **arguments)
{
    read_options(count, arguments);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    build_request();
    conns = calloc((size_t)options.connections, sizeof *conns);
    if (!conns)
        give_up("out of memory");
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    begin_ns = now_ns();
    bool in_time = run();
    end_ns = now_ns();
    print_result(in_time);
    return in_time && !failed ? 0 : 2;
}
