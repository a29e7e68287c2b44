// A closed-loop load on 127.0.0.1: each of CONC connections sends its next request when its last answer is complete.
//
//     load PORT PATH BODYFILE CONC REQUESTS WARM SECONDS ['Name: value']...
//
// Every run of 16 '#' in the body becomes a number of its own in each request. WARM requests are not counted. It ends
// REQUESTS or SECONDS after them, whichever comes first, but not before one answer (or a minute), and prints one JSON object; times are milliseconds:
// ms (a whole answer), first (to the first byte of the body), gap (the widest pause between two arrivals of one body).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MARK "################"
#define MARKS 64
enum { SIZE, DATA, DATA_END, LAST }; // where in a chunked body the reader is

typedef struct {
    int fd, busy, closes, chunked, where, status, wants_write;
    char *request, *answer;
    size_t sent, have, room, head, at, body;
    long length, left;
    double began, first, last, gap;
} Connection;

static struct epoll_event none;
static char *request, failure[400];
static size_t request_size, marks[MARKS];
static int poll_fd, port, mark_count;
static unsigned long long number;
static long wanted, warm, started, ended, kept, errors, reconnects;
static double *whole, *first, *gap, counted_from;
static size_t body_bytes;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void watch(Connection *c, int operation, int write) {
    struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(poll_fd, operation, c->fd, &event);
    c->wants_write = write;
}

static void connect_(Connection *c) {
    int one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (c->fd > 0) close(c->fd);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (void *)&to, sizeof to)) {
        perror("connect");
        exit(3);
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    watch(c, EPOLL_CTL_ADD, 0);
}

static void send_(Connection *c) {
    while (c->sent < request_size) {
        ssize_t n = send(c->fd, c->request + c->sent, request_size - c->sent, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EAGAIN && !c->wants_write) watch(c, EPOLL_CTL_MOD, 1);
            return;
        }
        c->sent += n;
    }
    if (c->wants_write) watch(c, EPOLL_CTL_MOD, 0);
}

static void start(Connection *c) {
    char digits[17];
    c->busy = started < wanted + warm;
    if (!c->busy) return;
    if (started++ == warm) counted_from = now();
    snprintf(digits, sizeof digits, "%016llu", number++ % 10000000000000000ULL);
    for (int i = 0; i < mark_count; i++) memcpy(c->request + marks[i], digits, 16);
    c->sent = c->have = c->head = c->at = c->body = 0;
    c->status = c->closes = c->chunked = c->where = 0;
    c->length = -1;
    c->left = 0;
    c->first = c->last = c->gap = 0;
    c->began = now();
    send_(c);
}

static void failed(int status, const char *text, size_t size) {
    errors++;
    if (failure[0]) return;
    snprintf(failure, sizeof failure, "status %d: %.*s", status, (int)size, text);
    for (char *p = failure; *p; p++)
        if (*p == '"' || *p == '\\' || (unsigned char)*p < 32 || (unsigned char)*p > 126) *p = ' ';
}

static void complete(Connection *c) {
    double t = now();
    if (c->status != 200) failed(c->status, c->answer + c->head, c->have - c->head);
    if (++ended > warm && kept < wanted && c->status == 200) {
        whole[kept] = t - c->began;
        first[kept] = (c->first ? c->first : t) - c->began;
        gap[kept++] = c->gap;
        body_bytes += c->body;
    }
    if (c->closes) {
        reconnects++;
        connect_(c);
    }
    start(c);
}

static void head(Connection *c, size_t size) {
    char *end = c->answer + size;
    c->head = c->at = size;
    c->status = atoi(c->answer + 9);
    for (char *line = memchr(c->answer, '\n', size); line && line + 1 < end; line = memchr(line, '\n', end - line)) {
        line++;
        if (!strncasecmp(line, "content-length:", 15)) c->length = atol(line + 15);
        if (!strncasecmp(line, "transfer-encoding:", 18)) c->chunked = 1;
        if (!strncasecmp(line, "connection: close", 17)) c->closes = 1;
    }
}

static int chunks(Connection *c) {
    while (c->at < c->have) {
        if (c->where == DATA) {
            long n = c->have - c->at;
            if (n > c->left) n = c->left;
            c->at += n;
            c->body += n;
            c->left -= n;
            if (!c->left) c->where = DATA_END;
            continue;
        }
        char *from = c->answer + c->at, *line = memchr(from, '\n', c->have - c->at);
        if (!line) return 0;
        c->at = line - c->answer + 1;
        if (c->where == SIZE) {
            c->left = strtol(from, 0, 16);
            c->where = c->left ? DATA : LAST;
        } else if (c->where == DATA_END) {
            c->where = SIZE;
        } else if (line - from <= 1) {
            return 1;
        }
    }
    return 0;
}

static int whole_answer(Connection *c) { // 1 when it is complete
    if (!c->head) {
        char *end = memmem(c->answer, c->have, "\r\n\r\n", 4);
        if (!end) return 0;
        head(c, end - c->answer + 4);
        if (!c->length) return 1;
    }
    if (c->have > c->at) {
        double t = now();
        if (!c->first) c->first = t;
        else if (t - c->last > c->gap) c->gap = t - c->last;
        c->last = t;
    }
    if (c->chunked) return chunks(c);
    c->body += c->have - c->at;
    c->at = c->have;
    return c->length >= 0 && (long)c->body >= c->length;
}

static void closed(Connection *c) {
    if (!c->busy) {
        epoll_ctl(poll_fd, EPOLL_CTL_DEL, c->fd, &none);
    } else if (c->head && !c->chunked && c->length < 0) { // the end of the connection ends the body
        c->closes = 1;
        complete(c);
    } else if (!c->have) { // a kept connection that the server had given up
        reconnects++;
        connect_(c);
        c->sent = 0;
        send_(c);
    } else {
        failed(c->status, "the connection ended inside the answer", 38);
        ended++;
        reconnects++;
        connect_(c);
        start(c);
    }
}

static void receive(Connection *c) {
    if (c->have + 1 >= c->room) c->answer = realloc(c->answer, c->room *= 2);
    ssize_t n = recv(c->fd, c->answer + c->have, c->room - c->have - 1, 0);
    if (n > 0) {
        c->have += n;
        c->answer[c->have] = 0;
        if (c->busy && whole_answer(c)) complete(c);
    } else if (!n || errno != EAGAIN) {
        closed(c);
    }
}

static void read_request(int count, char **words) {
    FILE *file = fopen(words[3], "rb");
    char *body, *text = malloc(65536);
    size_t size;
    int n;
    if (!file) {
        perror(words[3]);
        exit(2);
    }
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    body = malloc(size + 1);
    if (fread(body, 1, size, file) != size) exit(2);
    fclose(file);
    n = sprintf(text, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n", words[2], port);
    for (int i = 8; i < count; i++) n += sprintf(text + n, "%s\r\n", words[i]);
    n += sprintf(text + n, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", size);
    request_size = n + size;
    request = realloc(text, request_size);
    memcpy(request + n, body, size);
    free(body);
    for (char *at = request + n, *end = request + request_size; mark_count < MARKS; at += 16) {
        at = memmem(at, end - at, MARK, 16);
        if (!at) break;
        marks[mark_count++] = at - request;
    }
}

static int order(const void *a, const void *b) {
    double x = *(double *)a, y = *(double *)b;
    return x < y ? -1 : x > y;
}

static void figures(const char *name, double *times) {
    qsort(times, kept, sizeof *times, order);
#define AT(part) (kept ? times[(long)(part * (kept - 1) + 0.5)] * 1e3 : 0.0)
    printf("\"%s\":{\"p50\":%.4f,\"p95\":%.4f,\"p99\":%.4f,\"max\":%.4f},", name, AT(.5), AT(.95), AT(.99), AT(1.0));
}

int main(int count, char **words) {
    if (count < 8) {
        fprintf(stderr, "usage: load PORT PATH BODYFILE CONC REQUESTS WARM SECONDS ['Name: value']...\n");
        return 2;
    }
    port = atoi(words[1]);
    int conc = atoi(words[4]);
    wanted = atol(words[5]);
    warm = atol(words[6]);
    double seconds = atof(words[7]), began, over;
    struct timespec t;
    struct epoll_event events[256];
    clock_gettime(CLOCK_REALTIME, &t);
    number = t.tv_sec * 1000000ULL + t.tv_nsec / 1000;
    read_request(count, words);
    whole = malloc(8 * wanted + 8);
    first = malloc(8 * wanted + 8);
    gap = malloc(8 * wanted + 8);
    poll_fd = epoll_create1(0);
    Connection *all = calloc(conc, sizeof *all);
    for (int i = 0; i < conc; i++) {
        all[i].answer = malloc(all[i].room = 65536);
        all[i].request = malloc(request_size);
        memcpy(all[i].request, request, request_size);
        connect_(&all[i]);
    }
    began = counted_from = now();
    for (int i = 0; i < conc; i++) start(&all[i]);
    while (ended < wanted + warm && now() < (kept ? counted_from + seconds : began + 60)) {
        int n = epoll_wait(poll_fd, events, 256, 100);
        for (int i = 0; i < n; i++) {
            Connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) send_(c);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(c);
        }
    }
    over = now() - counted_from;
    printf("{\"requests\":%ld,\"counted\":%ld,\"errors\":%ld,\"reconnects\":%ld,", ended, kept, errors, reconnects);
    printf("\"per_second\":%.1f,", started > warm && over > 0 ? kept / over : 0.0);
    figures("ms", whole);
    figures("first", first);
    figures("gap", gap);
    printf("\"body\":%.0f,\"seconds\":%.3f,\"failure\":\"%s\"}\n", kept ? (double)body_bytes / kept : 0.0, over, failure);
    return 0;
}
