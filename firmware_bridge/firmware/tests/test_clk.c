/*
 * The C side of the shared vectors: tests/golden/bridge_messages.json and bridge_framing.json, one vector a line.
 *
 *   test_clk bridge_messages.json bridge_framing.json
 *
 * What the firmware reads must be judged as the vector says; what it writes must be the vector's bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clk_bridge.h"
#include "clk_crc.h"
#include "clk_msgpack.h"

#define LINE_BYTES 20000

static int failures;
static int checks;

static void check(int is_true, const char *what, const char *where)
{
    checks++;
    if (!is_true) {
        failures++;
        printf("FAILED %s: %.100s\n", what, where);
    }
}

/* The string behind `"key": "` in a line of JSON; these vectors have no escapes. */
static int text_of(const char *line, const char *key, char *text, size_t size)
{
    char wanted[40];
    (void)snprintf(wanted, sizeof wanted, "\"%s\": \"", key);
    const char *at = strstr(line, wanted);
    size_t count = 0;
    if (at == NULL)
        return 0;
    for (at += strlen(wanted); *at != '\0' && *at != '"' && count + 1 < size; at++)
        text[count++] = *at;
    text[count] = '\0';
    return 1;
}

static size_t from_hex(const char *text, uint8_t *bytes)
{
    size_t count = 0;
    unsigned byte;
    while (text[0] != '\0' && text[1] != '\0' && sscanf(text, "%2x", &byte) == 1) {
        bytes[count++] = (uint8_t)byte;
        text += 2;
    }
    return count;
}

static const char *word_of(clk_verdict verdict)
{
    return verdict == CLK_MALFORMED ? "malformed" : verdict == CLK_UNKNOWN ? "unknown" : "known";
}

static void message_vector(const char *line)
{
    static char text[LINE_BYTES];
    static uint8_t bytes[LINE_BYTES / 2];
    char expected[16];
    if (strstr(line, "\"to\": \"device\"") == NULL || !text_of(line, "hex", text, sizeof text) ||
        !text_of(line, "result", expected, sizeof expected))
        return;
    const size_t count = from_hex(text, bytes);
    clk_message message;
    const clk_verdict verdict = clk_message_read(bytes, count, &message);
    check(strcmp(word_of(verdict), expected) == 0, expected, line);
    if (verdict == CLK_KNOWN && text_of(line, "number", text, sizeof text))
        check(message.number == strtoul(text, NULL, 10), "number", line);
    if (verdict == CLK_KNOWN && text_of(line, "content", text, sizeof text)) {
        const size_t length = from_hex(text, bytes + count);
        check(message.length == length && memcmp(message.bytes, bytes + count, length) == 0, "content", line);
    }
}

static void put_bytes(void *to, uint8_t byte)
{
    uint8_t **at = to;
    *(*at)++ = byte;
}

static void frame_vector(const char *line)
{
    static char text[LINE_BYTES];
    static uint8_t payload[LINE_BYTES / 2];
    static uint8_t encoded[LINE_BYTES / 2];
    static uint8_t made[LINE_BYTES / 2];
    static uint8_t got[LINE_BYTES / 2];
    char number[16];
    if (!text_of(line, "payload", text, sizeof text))
        return;
    const size_t length = from_hex(text, payload);
    if (text_of(line, "crc", number, sizeof number))
        check(clk_crc16(payload, length) == strtoul(number, NULL, 16), "crc", line);
    if (!text_of(line, "frame", text, sizeof text))
        return;
    const size_t count = from_hex(text, encoded);
    uint8_t *end = made;
    clk_frame(payload, length, put_bytes, &end);
    check((size_t)(end - made) == count && memcmp(made, encoded, count) == 0, "frame", line);
    check(count <= clk_frame_bytes(length), "clk_frame_bytes", line);
    clk_receiver receiver;
    clk_receiver_init(&receiver, got, length + CLK_CRC_BYTES);
    size_t found = 0;
    size_t got_length = 0;
    for (size_t i = 0; i < count; i++)
        found += clk_receive(&receiver, encoded[i], &got_length) == CLK_FRAME ? 1u : 0u;
    check(found == 1 && got_length == length && memcmp(got, payload, length) == 0, "received", line);
    if (length > 0) {
        clk_receiver_init(&receiver, got, length + CLK_CRC_BYTES - 1);
        found = 0;
        for (size_t i = 0; i < count; i++)
            found += clk_receive(&receiver, encoded[i], &got_length) == CLK_FRAME ? 1u : 0u;
        check(found == 0, "too long for its receiver", line);
    }
}

static void each_line(const char *path, void (*vector)(const char *line))
{
    static char line[LINE_BYTES];
    FILE *file = fopen(path, "r");
    const int before = checks;
    if (file == NULL) {
        check(0, "cannot open", path);
        return;
    }
    while (fgets(line, sizeof line, file) != NULL)
        vector(line);
    (void)fclose(file);
    check(checks > before + 10, "file with vectors", path);
}

/* ---- what the bridge writes: one conversation that makes it say everything */

typedef struct {
    uint32_t now;
    clk_modem_state state;
    clk_offer answer;
    clk_status status;
    int heard;
    int is_keyed;
} machine;

static uint32_t now_ms(void *context) { return ((machine *)context)->now; }
static void key(void *context, bool is_on) { ((machine *)context)->is_keyed = is_on ? 1 : 0; }
static clk_status status(void *context) { return ((machine *)context)->status; }
static clk_modem_state state(void *context) { return ((machine *)context)->state; }

static clk_offer modem_send(void *context, const uint8_t *packet, size_t length)
{
    machine *self = context;
    (void)packet;
    (void)length;
    if (self->answer == CLK_TAKEN)
        self->state = CLK_SENDING;
    return self->answer;
}

static int modem_receive(void *context, uint8_t *packet, int *snr_ddb)
{
    machine *self = context;
    if (self->heard == 0)
        return -1;
    self->heard--;
    memcpy(packet, "abc", 3);
    *snr_ddb = -57;
    return 3;
}

static const clk_settings SETTINGS = {"vector", 120000, 7, 20, 250, 10, 3000, 5, 96, 7};
static char golden[200][LINE_BYTES / 10];
static size_t golden_count;

static void remember(const char *line)
{
    char expected[16];
    checks++;
    if (strstr(line, "\"to\": \"host\"") != NULL && golden_count < 200 &&
        text_of(line, "result", expected, sizeof expected) && strlen(line) < sizeof golden[0])
        strcpy(golden[golden_count++], line);
}

/* The next message that the bridge says is the vector of this name. */
static void expect(clk_bridge *bridge, const char *name)
{
    uint8_t room[CLK_MTU + 70];
    uint8_t wanted[LINE_BYTES / 20];
    char text[LINE_BYTES / 10];
    clk_receiver receiver;
    size_t length = 0;
    int byte;
    clk_receiver_init(&receiver, room, sizeof room);
    while ((byte = clk_bridge_next_byte(bridge)) >= 0) {
        if (clk_receive(&receiver, (uint8_t)byte, &length) != CLK_FRAME)
            continue;
        for (size_t i = 0; i < golden_count; i++) {
            (void)text_of(golden[i], "name", text, sizeof text);
            if (strcmp(text, name) != 0)
                continue;
            (void)text_of(golden[i], "hex", text, sizeof text);
            const size_t count = from_hex(text, wanted);
            check(count == length && memcmp(wanted, room, count) == 0, "written bytes", name);
            for (size_t at = 0; at < length && (count != length || memcmp(wanted, room, count) != 0); at++)
                printf("%02x%s", (unsigned)room[at], at + 1 < length ? "" : " was written\n");
            return;
        }
        check(0, "no vector of this name", name);
        return;
    }
    check(0, "nothing was said, expected", name);
}

static void say(clk_bridge *bridge, const char *hex)
{
    uint8_t message[CLK_MESSAGE_BYTES + 2];
    uint8_t line[CLK_MESSAGE_BYTES + 10];
    uint8_t *end = line;
    const size_t count = from_hex(hex, message);
    clk_frame(message, count, put_bytes, &end);
    for (const uint8_t *at = line; at < end; at++)
        (void)clk_bridge_received(bridge, *at);
    clk_bridge_poll(bridge);
}

static void conversation(void)
{
    static clk_bridge bridge;
    machine self = {1000, CLK_IDLE, CLK_TAKEN, CLK_READY, 0, 0};
    const clk_port port = {&self, now_ms, NULL, key, status, state, modem_send, modem_receive};
    clk_bridge_init(&bridge, &port, &SETTINGS);
    expect(&bridge, "info at start");
    say(&bridge, "8400010101020503a178"); /* Hello, session 5 */
    expect(&bridge, "info");
    expect(&bridge, "status ready");
    say(&bridge, "820005010a"); /* Ping, token 10 */
    expect(&bridge, "pong");
    say(&bridge, "8300020101" "02c403616263"); /* Send 1 */
    expect(&bridge, "keyed");
    check(self.is_keyed == 1 && self.state == CLK_IDLE, "key before packet", "turn-around");
    self.now += 20;
    clk_bridge_poll(&bridge);
    expect(&bridge, "sent 1");
    say(&bridge, "8300020101" "02c403616263"); /* Send 1 again */
    expect(&bridge, "sent 1");
    self.now += 300;
    clk_bridge_poll(&bridge);
    check(self.is_keyed == 1, "sending", "kept");
    self.state = CLK_IDLE;
    self.now += 9;
    clk_bridge_poll(&bridge);
    check(self.is_keyed == 1, "tail", "kept");
    self.now += 1;
    clk_bridge_poll(&bridge);
    check(self.is_keyed == 0, "tail", "ended");
    expect(&bridge, "unkeyed");
    self.heard = 1;
    clk_bridge_poll(&bridge);
    expect(&bridge, "heard");
    say(&bridge, "820003011903"); /* garbage behind a message: malformed */
    self.answer = CLK_REFUSED;
    say(&bridge, "8300020201" "02c403616263"); /* keys not in order: malformed */
    say(&bridge, "8300020102" "02c403616263"); /* Send 2 */
    expect(&bridge, "keyed");
    self.now += 20;
    clk_bridge_poll(&bridge);
    expect(&bridge, "lost 2 refused");
    self.now += 10;
    clk_bridge_poll(&bridge);
    expect(&bridge, "unkeyed");
    say(&bridge, "82000301cd0100"); /* Key for 256 ms */
    expect(&bridge, "keyed");
    self.now += 255;
    clk_bridge_poll(&bridge);
    check(self.is_keyed == 1, "hold", "kept");
    self.now += 1;
    clk_bridge_poll(&bridge);
    self.now += 10;
    clk_bridge_poll(&bridge);
    check(self.is_keyed == 0, "hold", "ended by itself");
    expect(&bridge, "unkeyed hold ended");
    say(&bridge, "82000301cdffff"); /* Key for longer than the longest */
    expect(&bridge, "keyed");
    self.now += 3000;
    say(&bridge, "810006"); /* Get-statistics; keeps the session, too */
    expect(&bridge, "statistics");
    check(self.is_keyed == 0, "longest time", "unkeyed");
    expect(&bridge, "unkeyed time-out");
    say(&bridge, "82000301cdffff"); /* too early again */
    check(self.is_keyed == 0, "longest time", "rest");
    self.now += 5000;
    clk_bridge_poll(&bridge);
    check(bridge.session == 0u, "silent host", "session ended");
    say(&bridge, "8300020101" "02c403616263");
    expect(&bridge, "info at start");
}

int main(int count, char **words)
{
    if (count != 3) {
        printf("usage: test_clk bridge_messages.json bridge_framing.json\n");
        return 2;
    }
    check(clk_crc16((const uint8_t *)"123456789", 9) == 0xD64Eu, "crc", "check value");
    each_line(words[1], message_vector);
    each_line(words[2], frame_vector);
    each_line(words[1], remember);
    conversation();
    printf("%d checks, %d failed\n", checks, failures);
    return failures == 0 ? 0 : 1;
}
