#include "clk_cobs.h"

#include "clk_crc.h"

#define FULL_GROUP 254u

void clk_receiver_init(clk_receiver *receiver, uint8_t *buffer, size_t size)
{
    receiver->buffer = buffer;
    receiver->size = size;
    receiver->count = 0;
    receiver->left = 0;
    receiver->owes_zero = false;
    receiver->has_begun = false;
    receiver->is_bad = false;
}

static void keep(clk_receiver *receiver, uint8_t byte)
{
    if (receiver->count < receiver->size)
        receiver->buffer[receiver->count++] = byte;
    else
        receiver->is_bad = true;
}

static clk_progress end(clk_receiver *receiver, size_t *length)
{
    const size_t count = receiver->count;
    const bool begun = receiver->has_begun;
    const bool bad = receiver->is_bad || receiver->left != 0u || count < CLK_CRC_BYTES;
    receiver->count = 0;
    receiver->left = 0;
    receiver->owes_zero = receiver->has_begun = receiver->is_bad = false;
    if (!begun)
        return CLK_MORE;
    if (bad)
        return CLK_BAD_FRAME;
    const uint8_t *crc = receiver->buffer + count - CLK_CRC_BYTES;
    if (clk_crc16(receiver->buffer, count - CLK_CRC_BYTES) != (uint16_t)((crc[0] << 8) | crc[1]))
        return CLK_BAD_FRAME;
    *length = count - CLK_CRC_BYTES;
    return CLK_FRAME;
}

clk_progress clk_receive(clk_receiver *receiver, uint8_t byte, size_t *length)
{
    if (byte == 0u)
        return end(receiver, length);
    receiver->has_begun = true;
    if (receiver->left != 0u) {
        receiver->left--;
        keep(receiver, byte);
        return CLK_MORE;
    }
    if (receiver->owes_zero)
        keep(receiver, 0);
    receiver->left = (uint8_t)(byte - 1u);
    receiver->owes_zero = byte != 0xFFu;
    return CLK_MORE;
}

void clk_frame(uint8_t *payload, size_t length, clk_put put, void *to)
{
    const uint16_t crc = clk_crc16(payload, length);
    payload[length] = (uint8_t)(crc >> 8);
    payload[length + 1u] = (uint8_t)(crc & 0xFFu);
    const size_t count = length + CLK_CRC_BYTES;

    put(to, 0);
    size_t at = 0;
    bool more = true;
    while (more) {
        size_t run = 0;
        while (run < FULL_GROUP && at + run < count && payload[at + run] != 0u)
            run++;
        put(to, (uint8_t)(run + 1u));
        for (size_t i = 0; i < run; i++)
            put(to, payload[at + i]);
        at += run;
        more = at < count;
        if (more && run < FULL_GROUP)
            at++; /* the 00 that the code stands for; if it was the last byte, an empty group follows it */
    }
    put(to, 0);
}
