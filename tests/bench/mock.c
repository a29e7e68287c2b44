// An upstream that speaks OpenAI's chat completions on 127.0.0.1: one thread, no work of its own.
//
//     mock PORT [CHUNKS [DELAY_MS [INTERVAL_MS]]]
//
// An answer is whole, or CHUNKS events where the body asks for "stream": true. A
// body whose model ends in -paced is answered after DELAY_MS, with INTERVAL_MS between the events; others at once.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 65536 // descriptors
#define TEXT "The quick brown fox jumps over the lazy dog while the patient auditor counts every token twice. "
#define TEXTS TEXT TEXT TEXT TEXT TEXT TEXT TEXT TEXT
#define START "{\"id\":\"chatcmpl-mock123\",\"object\":\"chat.completion"
#define MODEL "\",\"created\":1790000000,\"model\":\"mock-model\","

typedef struct { // waiting: an answer is due or under way
    int fd, waiting, stream, paced, listing, wants_write, generation, chunk;
    char *in, *out;
    size_t have, room, end, out_from, out_to, out_room;
} Connection;

typedef struct Due {
    Connection *of;
    int generation;
    double at;
    struct Due *next;
} Due;

typedef struct {
    Due *first, *last;
} Queue; // all of one queue wait equally long, so the first is due first

typedef struct {
    char *text;
    size_t size;
} Text;

static Connection *connections[MOST];
static Queue answers, events_due;
static double delay, interval;
static int poll_fd, chunk_count;
static Text whole, models, *chunks;
static const char stream_head[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void watch(Connection *c, int write) {
    struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0), .data.fd = c->fd};
    if (c->wants_write != write) epoll_ctl(poll_fd, EPOLL_CTL_MOD, c->fd, &event);
    c->wants_write = write;
}

static void drop(Connection *c) { // its struct stays, for a queue may name it
    connections[c->fd] = 0;
    close(c->fd);
    c->fd = -1;
    c->generation++;
    free(c->in);
    free(c->out);
    c->in = c->out = 0;
}

static int out(Connection *c, const char *data, size_t size) { // 0 when the connection is gone
    if (c->out_from == c->out_to) {
        ssize_t n = send(c->fd, data, size, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) {
            drop(c);
            return 0;
        }
        if (n > 0) data += n, size -= n;
        if (!size) return 1;
        c->out_from = c->out_to = 0;
    }
    if (c->out_to + size > c->out_room) c->out = realloc(c->out, c->out_room = (c->out_to + size) * 2);
    memcpy(c->out + c->out_to, data, size);
    c->out_to += size;
    watch(c, 1);
    return 1;
}

static void later(Queue *queue, Connection *c, double wait) {
    Due *due = malloc(sizeof *due);
    *due = (Due){c, c->generation, now() + wait, 0};
    if (queue->last) queue->last->next = due;
    else queue->first = due;
    queue->last = due;
}

static void take(Connection *c);

static void finish(Connection *c) {
    c->waiting = 0;
    c->have -= c->end;
    memmove(c->in, c->in + c->end, c->have);
    c->end = 0;
    if (c->have) take(c);
}

static void stream(Connection *c) {
    while (out(c, chunks[c->chunk].text, chunks[c->chunk].size)) {
        if (++c->chunk == chunk_count) {
            finish(c);
            return;
        }
        if (c->paced && interval > 0) {
            later(&events_due, c, interval);
            return;
        }
    }
}

static void answer(Connection *c) {
    if (c->stream) {
        c->chunk = 0;
        if (out(c, stream_head, sizeof stream_head - 1)) stream(c);
        return;
    }
    Text *text = c->listing ? &models : &whole;
    if (out(c, text->text, text->size)) finish(c);
}

static void head(const char *text, size_t size, long *length, int *chunked, int *expects) {
    const char *end = text + size;
    for (const char *line = memchr(text, '\n', size); line && line + 1 < end; line = memchr(line, '\n', end - line)) {
        line++;
        if (!strncasecmp(line, "content-length:", 15)) *length = atol(line + 15);
        if (!strncasecmp(line, "transfer-encoding: chunked", 26)) *chunked = 1;
        if (!strncasecmp(line, "expect:", 7)) *expects = 1;
    }
}

static void take(Connection *c) { // answers the request that has come, if all of it has
    if (c->waiting) return;
    char *mark = memmem(c->in, c->have, "\r\n\r\n", 4);
    if (!mark) return;
    size_t size = mark - c->in + 4;
    long length = 0;
    int chunked = 0, expects = 0;
    head(c->in, size, &length, &chunked, &expects);
    if (expects && c->have == size && !out(c, "HTTP/1.1 100 Continue\r\n\r\n", 25)) return;
    if (chunked) {
        char *last = memmem(c->in + size - 2, c->have - size + 2, "\r\n0\r\n\r\n", 7);
        if (!last) return;
        c->end = last - c->in + 7;
    } else {
        if (c->have < size + length) return;
        c->end = size + length;
    }
    char *body = c->in + size;
    size_t left = c->end - size;
    c->listing = !strncmp(c->in, "GET", 3);
    c->stream = memmem(body, left, "\"stream\":true", 13) || memmem(body, left, "\"stream\": true", 14);
    c->paced = memmem(body, left, "-paced\"", 7) != 0;
    c->waiting = 1;
    if (c->paced && delay > 0) later(&answers, c, delay);
    else answer(c);
}

static void receive(Connection *c) {
    for (;;) {
        if (c->have == c->room) c->in = realloc(c->in, c->room *= 2);
        ssize_t n = recv(c->fd, c->in + c->have, c->room - c->have, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            drop(c);
            return;
        }
        if (n > 0) c->have += n;
        if (n < 0 || c->have < c->room) break;
    }
    if (c->have) take(c);
}

static void flush(Connection *c) {
    ssize_t n = send(c->fd, c->out + c->out_from, c->out_to - c->out_from, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        drop(c);
        return;
    }
    if (n > 0) c->out_from += n;
    if (c->out_from < c->out_to) return;
    c->out_from = c->out_to = 0;
    watch(c, 0);
}

static void welcome(int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, 0, 0, SOCK_NONBLOCK)) >= 0) {
        if (fd >= MOST) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        Connection *c = connections[fd] = calloc(1, sizeof *c);
        c->fd = fd;
        c->in = malloc(c->room = 65536);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static void run_due(Queue *queue, void (*step)(Connection *)) {
    double t = now();
    while (queue->first && queue->first->at <= t) {
        Due *due = queue->first;
        queue->first = due->next;
        if (!queue->first) queue->last = 0;
        if (due->of->generation == due->generation) step(due->of);
        free(due);
    }
}

static struct timespec until_due(void) {
    double at = 1e18;
    if (answers.first) at = answers.first->at;
    if (events_due.first && events_due.first->at < at) at = events_due.first->at;
    if (at > 1e17) return (struct timespec){1000, 0};
    double left = at - now();
    if (left < 0) left = 0;
    return (struct timespec){(long)left, (left - (long)left) * 1e9};
}

static Text json_answer(const char *body) {
    Text text;
    text.size = asprintf(&text.text, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                         strlen(body), body);
    return text;
}

static void texts(int tokens) {
    static const char middle[] = START ".chunk" MODEL "\"choices\":[";
    whole = json_answer(START MODEL
                        "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"" TEXTS
                        "\"},\"finish_reason\":\"stop\",\"logprobs\":null}],"
                        "\"usage\":{\"prompt_tokens\":412,\"completion_tokens\":160,\"total_tokens\":572}}");
    models = json_answer("{\"object\":\"list\",\"data\":[{\"id\":\"mock-model\",\"object\":\"model\"}]}");
    chunk_count = tokens + 3;
    chunks = malloc(chunk_count * sizeof *chunks);
    for (int i = 0; i < chunk_count; i++) {
        char data[1024];
        const char *role = i ? "" : "\"role\":\"assistant\",";
        int n;
        if (i < tokens)
            n = snprintf(data, sizeof data,
                         "data: %s{\"index\":0,\"delta\":{%s\"content\":\" token%d\"},\"finish_reason\":null}]}\n\n",
                         middle, role, i);
        else if (i == tokens)
            n = snprintf(data, sizeof data, "data: %s{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", middle);
        else if (i == tokens + 1)
            n = snprintf(data, sizeof data,
                         "data: %s],\"usage\":{\"prompt_tokens\":412,\"completion_tokens\":%d,\"total_tokens\":%d}}\n\n",
                         middle, tokens, 412 + tokens);
        else
            n = snprintf(data, sizeof data, "data: [DONE]\n\n");
        chunks[i].size =
            asprintf(&chunks[i].text, "%x\r\n%s\r\n%s", n, data, i == chunk_count - 1 ? "0\r\n\r\n" : "");
    }
}

static int listen_(int port) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (void *)&at, sizeof at) || listen(fd, 1024)) {
        perror("listen");
        exit(1);
    }
    return fd;
}

int main(int count, char **words) {
    struct epoll_event events[256];
    if (count < 2) {
        fprintf(stderr, "usage: mock PORT [CHUNKS [DELAY_MS [INTERVAL_MS]]]\n");
        return 2;
    }
    texts(count > 2 ? atoi(words[2]) : 32);
    delay = count > 3 ? atof(words[3]) / 1e3 : 0;
    interval = count > 4 ? atof(words[4]) / 1e3 : 0;
    poll_fd = epoll_create1(0);
    int listener = listen_(atoi(words[1]));
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        struct timespec wait = until_due();
        int n = epoll_pwait2(poll_fd, events, 256, &wait, 0);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener) {
                welcome(listener);
                continue;
            }
            Connection *c = connections[events[i].data.fd];
            if (c && events[i].events & EPOLLOUT) flush(c);
            c = connections[events[i].data.fd];
            if (c && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(c);
        }
        run_due(&answers, answer);
        run_due(&events_due, stream);
    }
}
