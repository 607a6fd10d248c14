#include "clk_crc.h"

uint16_t clk_crc16(const uint8_t *data, size_t count)
{
    /* Bit by bit: a table would cost 512 bytes of flash, and a message takes well under a millisecond as it is. */
    uint32_t crc = 0xFFFFu;
    for (size_t i = 0; i < count; i++) {
        crc ^= (uint32_t)data[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 0x8000u) != 0u ? (crc << 1) ^ 0x1021u : crc << 1;
    }
    return (uint16_t)(~crc & 0xFFFFu);
}
