/* The messages of BRIDGE.md that a device reads (clause 6, "to the device") and the kinds of those that it writes. */
#ifndef CLK_MESSAGE_H
#define CLK_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clk_config.h"

#define CLK_VERSION 1u

/* Longest message to a device (BRIDGE.md 3.6). */
#define CLK_MESSAGE_BYTES ((CLK_MTU > 96 ? CLK_MTU : 96) + 32)

enum {
    CLK_HELLO = 1,
    CLK_SEND = 2,
    CLK_KEY = 3,
    CLK_UNKEY = 4,
    CLK_PING = 5,
    CLK_GET_STATISTICS = 6,
    CLK_BYE = 7,
    CLK_INFO = 33,
    CLK_SENT = 35,
    CLK_LOST = 36,
    CLK_HEARD = 37,
    CLK_STATUS = 38,
    CLK_KEYED = 41,
    CLK_STATISTICS = 42,
    CLK_PONG = 43
};

typedef enum { CLK_MALFORMED, CLK_UNKNOWN, CLK_KNOWN } clk_verdict;

typedef struct {
    uint8_t kind;
    uint8_t version;      /* of Hello */
    uint32_t number;      /* session of Hello, number of Send, hold of Key, token of Ping */
    const uint8_t *bytes; /* name of Hello, packet of Send: within the message read */
    size_t length;
} clk_message;

clk_verdict clk_message_read(const uint8_t *bytes, size_t count, clk_message *message);

#endif
