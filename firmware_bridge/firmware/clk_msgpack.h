/*
 * As much msgpack as the bridge's messages need (BRIDGE.md, clause 3): one flat map with small integer keys.
 *
 * Rule: the reader never leaves its bytes and takes any form of a value; the writer uses the shortest form and remembers
 * if it ran out of room.
 */
#ifndef CLK_MSGPACK_H
#define CLK_MSGPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLK_MAX_KEY 127u

typedef enum {
    CLK_NIL,
    CLK_BOOL,
    CLK_UINT,     /* 0 to 4294967295 */
    CLK_NEGATIVE, /* its value is not kept: nothing for the device is negative */
    CLK_BIG,      /* an integer above 4294967295 */
    CLK_FLOAT,    /* its value is not kept: nothing for the device is a float */
    CLK_STR,
    CLK_BIN
} clk_type;

typedef struct {
    clk_type type;
    uint32_t number;      /* of CLK_UINT and CLK_BOOL; bytes in CLK_STR and CLK_BIN */
    const uint8_t *bytes; /* of CLK_STR and CLK_BIN */
} clk_value;

typedef struct {
    const uint8_t *at;
    const uint8_t *end;
} clk_reader;

/* False: not a map. */
bool clk_read_map(clk_reader *reader, uint32_t *pairs);
/* False: the bytes end within it, or it is an array, a map, an extension or no msgpack. */
bool clk_read_value(clk_reader *reader, clk_value *value);

typedef struct {
    uint8_t *bytes;
    size_t size;
    size_t count;
    bool is_full;
} clk_writer;

void clk_write_map(clk_writer *writer, uint8_t pairs); /* at most 15 */
void clk_write_uint(clk_writer *writer, uint32_t number);
void clk_write_int(clk_writer *writer, int32_t number);
void clk_write_bool(clk_writer *writer, bool is_true);
void clk_write_str(clk_writer *writer, const uint8_t *bytes, size_t count); /* at most 255 */
void clk_write_bin(clk_writer *writer, const uint8_t *bytes, size_t count); /* at most 65535 */

#endif
