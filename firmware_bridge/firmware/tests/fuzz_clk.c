/*
 * Random bytes against the whole bridge. With clang: libFuzzer (-fsanitize=fuzzer). With -DCLK_PLAIN: a loop of its own,
 *
 *   fuzz_plain [RUNS [SEED]]
 *
 * of which half the inputs are messages that are right but for a few bytes. Invariants are checked after each step; the
 * sanitizers watch the rest.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clk_bridge.h"

#define MUST(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "broken: %s (line %d)\n", #condition, __LINE__); \
            abort(); \
        } \
    } while (0)

typedef struct {
    uint32_t now;
    uint8_t mood;
    uint32_t keyed_since;
    bool is_keyed;
    bool is_sending;
} machine;

static const clk_settings SETTINGS = {"fuzz", 120000, 7, 20, 250, 10, 3000, 5, CLK_MTU, 7};

static uint32_t now_ms(void *context) { return ((machine *)context)->now; }

static void key(void *context, bool is_on)
{
    machine *self = context;
    if (is_on && !self->is_keyed)
        self->keyed_since = self->now;
    self->is_keyed = is_on;
}

static clk_status status(void *context) { return (clk_status)(((machine *)context)->mood % 5u); }

static clk_modem_state state(void *context)
{
    const machine *self = context;
    return self->is_sending ? CLK_SENDING : (self->mood & 0x20u) != 0u ? CLK_BUSY : CLK_IDLE;
}

static clk_offer modem_send(void *context, const uint8_t *packet, size_t length)
{
    machine *self = context;
    MUST(self->is_keyed && !self->is_sending && length <= CLK_MTU);
    for (size_t i = 0; i < length; i++)
        MUST(packet[i] == packet[i]); /* read it: a sanitizer sees where it ends */
    if ((self->mood & 0x40u) != 0u)
        return (self->mood & 0x10u) != 0u ? CLK_REFUSED : CLK_NOT_NOW;
    self->is_sending = true;
    return CLK_TAKEN;
}

static int modem_receive(void *context, uint8_t *packet, int *snr_ddb)
{
    machine *self = context;
    if ((self->mood & 0x80u) == 0u)
        return -1;
    const size_t length = self->mood % (CLK_MTU + 1u);
    memset(packet, self->mood, length);
    if ((self->mood & 1u) != 0u)
        *snr_ddb = -(int)self->mood;
    self->mood &= 0x7Fu;
    return (int)length;
}

static void put_rx(void *to, uint8_t byte)
{
    (void)clk_bridge_received(to, byte);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static clk_bridge bridge; /* what is not initialised is whatever the last run left, as on a warm start */
    machine self = {0, 0, 0, false, false};
    const clk_port port = {&self, now_ms, NULL, key, status, state, modem_send, modem_receive};
    uint8_t room[CLK_MESSAGE_BYTES + 2];
    clk_receiver host;
    uint8_t said[CLK_MTU + 64];
    size_t length = 0;
    clk_receiver_init(&host, said, sizeof said);
    clk_bridge_init(&bridge, &port, &SETTINGS);
    /* Steps: a byte that says what, a byte that says how much, that many bytes. */
    for (size_t at = 0; at + 1 < size;) {
        const uint8_t what = data[at];
        size_t count = data[at + 1];
        at += 2;
        count = count < size - at ? count : size - at;
        switch (what % 4u) {
        case 0: /* bytes as they are */
            for (size_t i = 0; i < count; i++)
                (void)clk_bridge_received(&bridge, data[at + i]);
            at += count;
            break;
        case 1: /* bytes in a good frame */
            count = count < CLK_MESSAGE_BYTES ? count : CLK_MESSAGE_BYTES;
            memcpy(room, data + at, count);
            clk_frame(room, count, put_rx, &bridge);
            at += count;
            break;
        case 2: /* time */
            self.now += (uint32_t)count * (what / 4u + 1u);
            self.is_sending = self.is_sending && (what & 4u) != 0u;
            break;
        default:
            self.mood = (uint8_t)count;
            break;
        }
        clk_bridge_poll(&bridge);
        MUST(bridge.waiting <= CLK_QUEUE && bridge.first < CLK_QUEUE);
        MUST(!self.is_keyed || self.now - self.keyed_since < SETTINGS.key_max_ms);
        MUST(self.is_keyed == bridge.is_keyed);
        if ((what & 8u) == 0u) { /* the host reads */
            int byte;
            while ((byte = clk_bridge_next_byte(&bridge)) >= 0)
                MUST(clk_receive(&host, (uint8_t)byte, &length) != CLK_BAD_FRAME);
        }
    }
    return 0;
}

#ifdef CLK_PLAIN
static uint32_t seed = 1;

static uint32_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}

static const uint8_t GOOD[][12] = {
    {1, 10, 0x84, 0, 1, 1, 1, 2, 5, 3, 0xA1, 'x'},  /* Hello */
    {1, 9, 0x83, 0, 2, 1, 1, 2, 0xC4, 2, 'a'},      /* Send, cut by one */
    {1, 10, 0x83, 0, 2, 1, 1, 2, 0xC4, 2, 'a', 0},  /* Send */
    {1, 7, 0x82, 0, 3, 1, 0xCD, 0x0B, 0xB8},        /* Key */
    {1, 5, 0x82, 0, 5, 1, 10},                      /* Ping */
    {1, 3, 0x81, 0, 6},                             /* Get-statistics */
    {2, 20},                                        /* time */
    {3, 0},                                         /* all well */
};

int main(int count, char **words)
{
    const unsigned long runs = count > 1 ? strtoul(words[1], NULL, 10) : 100000u;
    static uint8_t data[600];
    if (count > 2)
        seed = (uint32_t)strtoul(words[2], NULL, 10) | 1u;
    for (unsigned long run = 0; run < runs; run++) {
        size_t size = 0;
        while (size < sizeof data - 40 && next_random() % 24u != 0u) {
            if ((next_random() & 1u) != 0u) {
                const uint8_t *good = GOOD[next_random() % (sizeof GOOD / sizeof GOOD[0])];
                const size_t length = good[0] == 1 ? good[1] + 2u : 2u;
                memcpy(data + size, good, length);
                if (next_random() % 8u == 0u)
                    data[size + next_random() % length] = (uint8_t)next_random();
                if (good[0] == 1 && good[4] == 2)
                    data[size + 6] = (uint8_t)(next_random() % 8u);
                size += length;
            } else {
                for (uint32_t more = next_random() % 24u; more > 0u; more--)
                    data[size++] = (uint8_t)next_random();
            }
        }
        (void)LLVMFuzzerTestOneInput(data, size);
    }
    printf("%lu runs\n", runs);
    return 0;
}
#endif
