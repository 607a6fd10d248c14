/*
 * Bytes from one writer to one reader, of which one may be an interrupt handler.
 *
 * Rule: the writer alone moves `head`, the reader alone moves `tail`. Indices of rings up to 256 bytes are single bytes,
 * which every microcontroller reads and writes at once. Made for one core: with several, add memory barriers.
 */
#ifndef CLK_RING_H
#define CLK_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clk_config.h"

#if CLK_RX_RING > 256 || CLK_TX_RING > 256
typedef uint16_t clk_index;
#else
typedef uint8_t clk_index;
#endif

typedef struct {
    volatile uint8_t *bytes;
    uint16_t mask; /* size - 1 */
    volatile clk_index head;
    volatile clk_index tail;
} clk_ring;

static inline void clk_ring_init(clk_ring *ring, volatile uint8_t *bytes, size_t size)
{
    ring->bytes = bytes;
    ring->mask = (uint16_t)(size - 1u);
    ring->head = 0;
    ring->tail = 0;
}

static inline size_t clk_ring_used(const clk_ring *ring)
{
    return (size_t)((unsigned)(ring->head - ring->tail) & ring->mask);
}

/* One place stays free, so that full and empty differ. */
static inline size_t clk_ring_room(const clk_ring *ring)
{
    return (size_t)ring->mask - clk_ring_used(ring);
}

/* False: full, the byte is lost. */
static inline bool clk_ring_put(clk_ring *ring, uint8_t byte)
{
    const clk_index head = ring->head;
    const clk_index next = (clk_index)((head + 1u) & ring->mask);
    if (next == ring->tail)
        return false;
    ring->bytes[head] = byte;
    ring->head = next;
    return true;
}

/* -1: empty. */
static inline int clk_ring_get(clk_ring *ring)
{
    const clk_index tail = ring->tail;
    if (tail == ring->head)
        return -1;
    const int byte = ring->bytes[tail];
    ring->tail = (clk_index)((tail + 1u) & ring->mask);
    return byte;
}

#endif
