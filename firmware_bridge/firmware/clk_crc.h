/* CRC-16/GENIBUS: polynomial 0x1021, start 0xFFFF, final complement; "123456789" gives 0xD64E (SPEC.md, clause 2.5). */
#ifndef CLK_CRC_H
#define CLK_CRC_H

#include <stddef.h>
#include <stdint.h>

uint16_t clk_crc16(const uint8_t *data, size_t count);

#endif
