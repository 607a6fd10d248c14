/*
 * The firmware on a PC: the microcontroller and, behind it, a transparent half-duplex radio.
 *
 *   clk_host script                     commands on standard input, results on standard output, time as told (tests)
 *   clk_host run (--stdio | --pty LINK) [--air PORT PEER_PORT] [--rate BPS] [--turnaround MS] [--tail MS] [--mtu N]
 *
 * `run` is a virtual modem: the host's serial line is a pseudo-terminal (LINK is a symbolic link to it) or standard input
 * and output, the air is UDP on the loopback: a datagram is what a radio sends between key-up and key-down, delivered
 * when its air time is over. On the air packets have the same frames as on the serial line, so that damage is found.
 */
#define _XOPEN_SOURCE 600

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "clk_bridge.h"

#define AIR_BYTES (CLK_MTU + 8 + CLK_MTU / 254)
#define OVERHEAD_BYTES 5 /* of a frame on the air */
#define HEARD_PACKETS 4
#define WORD_BYTES 16384 /* of a script, with its end; as in the format that reads it */
#define POLL_MS 2
#define IDLE_POLL_MS 20

typedef struct {
    uint8_t bytes[AIR_BYTES];
    size_t count;
} air_frame;

typedef struct {
    bool is_script;
    uint32_t now_ms;
    uint32_t rate_bps;
    uint32_t sending_until_ms;
    bool is_sending;
    bool is_busy;
    clk_status status;
    clk_receiver receiver;
    uint8_t incoming[CLK_MTU + CLK_CRC_BYTES];
    air_frame frame; /* on the air */
    int socket;
    struct sockaddr_in peer;
    clk_packet heard[HEARD_PACKETS];
    int heard_snr_ddb[HEARD_PACKETS];
    unsigned heard_count;
} radio;

static volatile sig_atomic_t stopping;

static void stop(int number)
{
    (void)number;
    stopping = 1;
}

static void die(const char *what)
{
    fprintf(stderr, "clk_host: %s%s%s\n", what, errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
    exit(1);
}

static void print_hex(const char *word, const uint8_t *bytes, size_t count)
{
    printf("%s ", word);
    for (size_t i = 0; i < count; i++)
        printf("%02x", (unsigned)bytes[i]);
    printf("\n");
}

/* ---- the port */

static uint32_t port_now_ms(void *context)
{
    const radio *self = context;
    if (self->is_script)
        return self->now_ms;
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint32_t)((uint64_t)time.tv_sec * 1000u + (uint64_t)time.tv_nsec / 1000000u);
}

static void port_key(void *context, bool is_on)
{
    const radio *self = context;
    if (self->is_script)
        printf("key %d\n", is_on ? 1 : 0);
}

static clk_status port_status(void *context)
{
    const radio *self = context;
    return self->status;
}

static clk_modem_state port_state(void *context)
{
    const radio *self = context;
    if (self->is_sending)
        return CLK_SENDING;
    return self->is_busy ? CLK_BUSY : CLK_IDLE;
}

static void put_air(void *to, uint8_t byte)
{
    air_frame *frame = to;
    if (frame->count < sizeof frame->bytes)
        frame->bytes[frame->count++] = byte;
}

static clk_offer port_send(void *context, const uint8_t *packet, size_t length)
{
    radio *self = context;
    self->is_sending = true;
    if (self->is_script) {
        print_hex("air", packet, length);
        return CLK_TAKEN;
    }
    uint8_t room[CLK_MTU + CLK_CRC_BYTES];
    memcpy(room, packet, length);
    self->frame.count = 0;
    clk_frame(room, length, put_air, &self->frame);
    const uint64_t air_ms = ((uint64_t)length + OVERHEAD_BYTES) * 8000u / self->rate_bps;
    self->sending_until_ms = port_now_ms(context) + (uint32_t)air_ms;
    return CLK_TAKEN;
}

static void heard(radio *self, const uint8_t *packet, size_t length, int snr_ddb)
{
    if (self->heard_count == HEARD_PACKETS || length > CLK_MTU)
        return;
    clk_packet *place = &self->heard[self->heard_count];
    memcpy(place->bytes, packet, length);
    place->length = (uint16_t)length;
    self->heard_snr_ddb[self->heard_count++] = snr_ddb;
}

static int port_receive(void *context, uint8_t *packet, int *snr_ddb)
{
    radio *self = context;
    if (self->heard_count == 0u)
        return -1;
    const int length = self->heard[0].length;
    memcpy(packet, self->heard[0].bytes, (size_t)length);
    if (self->heard_snr_ddb[0] != CLK_NO_SNR)
        *snr_ddb = self->heard_snr_ddb[0];
    self->heard_count--;
    memmove(&self->heard[0], &self->heard[1], self->heard_count * sizeof self->heard[0]);
    memmove(&self->heard_snr_ddb[0], &self->heard_snr_ddb[1], self->heard_count * sizeof self->heard_snr_ddb[0]);
    return length;
}

static const clk_port PORT = {NULL,       port_now_ms, NULL,      port_key,
                              port_status, port_state,  port_send, port_receive};

static clk_settings settings = {
    "firmware host", 120000, 0, 20, 0, 10, 200000, OVERHEAD_BYTES, CLK_MTU, CLK_HALF_DUPLEX | CLK_WHOLE_PACKETS | CLK_HAS_KEY,
};

/* ---- script */

static size_t from_hex(const char *text, uint8_t *bytes, size_t size)
{
    size_t count = 0;
    unsigned byte;
    while (count < size && sscanf(text, "%2x", &byte) == 1) {
        bytes[count++] = (uint8_t)byte;
        text += text[1] != '\0' ? 2 : 1;
    }
    return count;
}

static void drain(clk_bridge *bridge)
{
    uint8_t bytes[CLK_TX_RING];
    size_t count = 0;
    int byte;
    while (count < sizeof bytes && (byte = clk_bridge_next_byte(bridge)) >= 0)
        bytes[count++] = (uint8_t)byte;
    if (count != 0u)
        print_hex("tx", bytes, count);
}

/* One message read and written down: what it is, for the vectors. */
static void show_message(const uint8_t *bytes, size_t count)
{
    clk_message message;
    switch (clk_message_read(bytes, count, &message)) {
    case CLK_MALFORMED:
        printf("malformed\n");
        break;
    case CLK_UNKNOWN:
        printf("unknown\n");
        break;
    default:
        printf("known %u %u %u ", (unsigned)message.kind, (unsigned)message.version, (unsigned)message.number);
        print_hex("=", message.bytes, message.length);
        break;
    }
}

static int run_script(void)
{
    static radio self;
    static clk_bridge bridge;
    static char line[WORD_BYTES + 64];
    static char argument[WORD_BYTES];
    self.is_script = true;
    self.status = CLK_READY;
    clk_port port = PORT;
    port.context = &self;
    bool is_up = false;
    static uint8_t bytes[WORD_BYTES / 2];
    while (fgets(line, sizeof line, stdin) != NULL) {
        char word[16] = "";
        int number = CLK_NO_SNR;
        argument[0] = '\0';
        (void)sscanf(line, "%15s %16383s %d", word, argument, &number);
        if (strcmp(word, "message") == 0) {
            show_message(bytes, from_hex(argument, bytes, sizeof bytes));
            printf(".\n");
            (void)fflush(stdout);
            continue;
        }
        if (strcmp(word, "set") == 0) { /* turnaround, tail, key_max */
            unsigned turnaround, tail, most;
            if (sscanf(line, "%*s %u %u %u", &turnaround, &tail, &most) == 3) {
                settings.turnaround_ms = turnaround;
                settings.tail_ms = tail;
                settings.key_max_ms = most;
            }
            continue;
        }
        if (strcmp(word, "t") == 0)
            self.now_ms = (uint32_t)strtoul(argument, NULL, 10);
        if (!is_up || strcmp(word, "boot") == 0) {
            self.is_sending = false;
            self.heard_count = 0;
            clk_bridge_init(&bridge, &port, &settings);
            is_up = true;
        }
        if (strcmp(word, "rx") == 0) {
            const size_t count = from_hex(argument, bytes, sizeof bytes);
            for (size_t i = 0; i < count; i++)
                (void)clk_bridge_received(&bridge, bytes[i]);
        } else if (strcmp(word, "air") == 0) {
            heard(&self, bytes, from_hex(strcmp(argument, "-") == 0 ? "" : argument, bytes, sizeof bytes), number);
        } else if (strcmp(word, "end") == 0) {
            clk_bridge_poll(&bridge); /* as a main loop would have done all the time before */
            self.is_sending = false;
        } else if (strcmp(word, "busy") == 0) {
            self.is_busy = argument[0] == '1';
        } else if (strcmp(word, "status") == 0) {
            self.status = (clk_status)strtoul(argument, NULL, 10);
        }
        clk_bridge_poll(&bridge);
        drain(&bridge);
        printf(".\n");
        (void)fflush(stdout);
    }
    return 0;
}

/* ---- virtual modem */

static int open_pty(const char *link)
{
    const int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0)
        die("cannot make a pseudo-terminal");
    /* Our own end of it stays open, so that the host may come and go. */
    const int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    struct termios line;
    if (slave < 0 || tcgetattr(slave, &line) != 0)
        die("cannot open the pseudo-terminal");
    line.c_iflag = line.c_oflag = line.c_lflag = 0;
    line.c_cflag |= CS8 | CREAD;
    if (tcsetattr(slave, TCSANOW, &line) != 0)
        die("cannot set the pseudo-terminal up");
    (void)unlink(link);
    if (symlink(ptsname(master), link) != 0)
        die(link);
    return master;
}

static int open_air(radio *self, int own, int other)
{
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    self->peer = address;
    self->peer.sin_port = htons((uint16_t)other);
    address.sin_port = htons((uint16_t)own);
    const int made = socket(AF_INET, SOCK_DGRAM, 0);
    if (made < 0 || bind(made, (const struct sockaddr *)&address, sizeof address) != 0)
        die("cannot open the air");
    return made;
}

static void end_of_air_time(radio *self)
{
    if (!self->is_sending || (int32_t)(port_now_ms(self) - self->sending_until_ms) < 0)
        return;
    self->is_sending = false;
    if (self->socket >= 0)
        (void)sendto(self->socket, self->frame.bytes, self->frame.count, 0, (const struct sockaddr *)&self->peer,
                     sizeof self->peer);
}

static void hear(radio *self)
{
    uint8_t bytes[2 * AIR_BYTES];
    const ssize_t count = recv(self->socket, bytes, sizeof bytes, MSG_DONTWAIT);
    for (ssize_t i = 0; i < count && !self->is_sending; i++) {
        size_t length = 0;
        if (clk_receive(&self->receiver, bytes[i], &length) == CLK_FRAME)
            heard(self, self->incoming, length, CLK_NO_SNR);
    }
}

static void serve(radio *self, clk_bridge *bridge, int in, int out)
{
    uint8_t pending[64]; /* taken from the bridge and not yet by the line */
    size_t count = 0;
    while (stopping == 0) {
        struct pollfd polled[2] = {{in, POLLIN, 0}, {self->socket, POLLIN, 0}};
        const bool is_idle = !self->is_sending && !bridge->is_keyed && count == 0u && bridge->waiting == 0u;
        (void)poll(polled, self->socket >= 0 ? 2 : 1, is_idle ? IDLE_POLL_MS : POLL_MS);
        uint8_t bytes[64];
        while (clk_ring_room(&bridge->rx) >= sizeof bytes) {
            const ssize_t got = (polled[0].revents & (POLLIN | POLLHUP)) != 0 ? read(in, bytes, sizeof bytes) : -1;
            if (got == 0)
                return; /* standard input ended */
            for (ssize_t i = 0; i < got; i++)
                (void)clk_bridge_received(bridge, bytes[i]);
            if (got < (ssize_t)sizeof bytes)
                break;
        }
        end_of_air_time(self);
        if (self->socket >= 0)
            hear(self);
        clk_bridge_poll(bridge);
        for (;;) {
            int byte;
            while (count < sizeof pending && (byte = clk_bridge_next_byte(bridge)) >= 0)
                pending[count++] = (uint8_t)byte;
            const ssize_t put = count != 0u ? write(out, pending, count) : -1;
            if (put <= 0)
                break;
            count -= (size_t)put;
            memmove(pending, pending + put, count);
        }
    }
}

static int run_modem(int count, char **words)
{
    static radio self;
    static clk_bridge bridge;
    int in = -1;
    int out = -1;
    const char *link = NULL;
    uint32_t rate = 1200;
    self.socket = -1;
    self.status = CLK_READY;
    for (int i = 0; i < count; i++) {
        const char *word = words[i];
        const int left = count - 1 - i;
        if (strcmp(word, "--stdio") == 0) {
            in = STDIN_FILENO;
            out = STDOUT_FILENO;
        } else if (strcmp(word, "--pty") == 0 && left >= 1) {
            link = words[++i];
            in = out = open_pty(link);
        } else if (strcmp(word, "--air") == 0 && left >= 2) {
            self.socket = open_air(&self, atoi(words[i + 1]), atoi(words[i + 2]));
            i += 2;
        } else if (strcmp(word, "--rate") == 0 && left >= 1) {
            rate = (uint32_t)strtoul(words[++i], NULL, 10);
        } else if (strcmp(word, "--turnaround") == 0 && left >= 1) {
            settings.turnaround_ms = (uint32_t)strtoul(words[++i], NULL, 10);
        } else if (strcmp(word, "--tail") == 0 && left >= 1) {
            settings.tail_ms = (uint32_t)strtoul(words[++i], NULL, 10);
        } else if (strcmp(word, "--mtu") == 0 && left >= 1) {
            settings.mtu = (uint16_t)strtoul(words[++i], NULL, 10);
        } else {
            errno = 0;
            die("see the head of port_host.c for what it takes");
        }
    }
    errno = 0;
    if (in < 0)
        die("needs --stdio or --pty LINK");
    if (rate == 0u || rate > 10000000u || settings.mtu == 0u || settings.mtu > CLK_MTU)
        die("--rate needs 1 to 10000000, --mtu 1 to the compiled-in CLK_MTU");
    self.rate_bps = rate;
    settings.rate_cbps = 100u * rate;
    (void)fcntl(in, F_SETFL, fcntl(in, F_GETFL) | O_NONBLOCK);
    clk_receiver_init(&self.receiver, self.incoming, sizeof self.incoming);
    clk_port port = PORT;
    port.context = &self;
    clk_bridge_init(&bridge, &port, &settings);
    (void)signal(SIGTERM, stop);
    (void)signal(SIGINT, stop);
    (void)signal(SIGPIPE, SIG_IGN);
    serve(&self, &bridge, in, out);
    if (link != NULL)
        (void)unlink(link);
    return 0;
}

int main(int count, char **words)
{
    if (count >= 2 && strcmp(words[1], "script") == 0)
        return run_script();
    if (count >= 2 && strcmp(words[1], "run") == 0)
        return run_modem(count - 2, words + 2);
    fprintf(stderr, "usage: clk_host script | run (--stdio | --pty LINK) [--air PORT PEER_PORT] [--rate BPS] "
                    "[--turnaround MS] [--tail MS] [--mtu N]\n");
    return 2;
}
