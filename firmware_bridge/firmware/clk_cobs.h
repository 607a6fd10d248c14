/*
 * Frames on a byte stream: 00? COBS(payload, CRC-16) 00 (BRIDGE.md, clause 2).
 *
 * Rule: the receiver takes one byte at a time, keeps nothing longer than its buffer, and begins anew at every 00.
 */
#ifndef CLK_COBS_H
#define CLK_COBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLK_CRC_BYTES 2u

typedef struct {
    uint8_t *buffer; /* payload and CRC */
    size_t size;
    size_t count;
    uint8_t left; /* bytes of the group still to come */
    bool owes_zero;
    bool has_begun;
    bool is_bad;
} clk_receiver;

typedef enum { CLK_MORE, CLK_FRAME, CLK_BAD_FRAME } clk_progress;

/* `size`: the longest payload, plus CLK_CRC_BYTES. */
void clk_receiver_init(clk_receiver *receiver, uint8_t *buffer, size_t size);

/* After CLK_FRAME the payload is `buffer[0 .. *length - 1]` until the next call. */
clk_progress clk_receive(clk_receiver *receiver, uint8_t byte, size_t *length);

/* What takes encoded bytes. */
typedef void (*clk_put)(void *to, uint8_t byte);

/* Writes a frame with its leading 00. The CRC is put at `payload[length]`: there must be room for it. */
void clk_frame(uint8_t *payload, size_t length, clk_put put, void *to);

/* The most bytes that clk_frame writes for a payload of `length`. */
static inline size_t clk_frame_bytes(size_t length)
{
    const size_t guarded = length + CLK_CRC_BYTES;
    return guarded + 3u + guarded / 254u;
}

#endif
