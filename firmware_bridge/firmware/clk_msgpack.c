#include "clk_msgpack.h"

static size_t left(const clk_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

/* A big-endian number of `count` bytes, at most 4; false if the bytes end before. */
static bool take(clk_reader *reader, size_t count, uint32_t *number)
{
    if (left(reader) < count)
        return false;
    uint32_t got = 0;
    for (size_t i = 0; i < count; i++)
        got = (got << 8) | reader->at[i];
    reader->at += count;
    *number = got;
    return true;
}

static bool skip(clk_reader *reader, size_t count)
{
    if (left(reader) < count)
        return false;
    reader->at += count;
    return true;
}

bool clk_read_map(clk_reader *reader, uint32_t *pairs)
{
    uint32_t first;
    if (!take(reader, 1, &first))
        return false;
    if ((first & 0xF0u) == 0x80u) {
        *pairs = first & 0x0Fu;
        return true;
    }
    return (first == 0xDEu && take(reader, 2, pairs)) || (first == 0xDFu && take(reader, 4, pairs));
}

static bool read_bytes(clk_reader *reader, clk_value *value, clk_type type, size_t length_bytes)
{
    value->type = type;
    if (!take(reader, length_bytes, &value->number))
        return false;
    value->bytes = reader->at;
    return skip(reader, value->number);
}

/* 64 bits, of which the upper half only tells the type. */
static bool read_wide(clk_reader *reader, clk_value *value, bool is_signed)
{
    uint32_t upper;
    if (!take(reader, 4, &upper) || !take(reader, 4, &value->number))
        return false;
    if (is_signed && (upper & 0x80000000u) != 0u)
        value->type = CLK_NEGATIVE;
    else
        value->type = upper == 0u ? CLK_UINT : CLK_BIG;
    return true;
}

static bool read_signed(clk_reader *reader, clk_value *value, size_t count)
{
    if (!take(reader, count, &value->number))
        return false;
    const uint32_t sign = (uint32_t)0x80u << (8u * (count - 1u));
    value->type = (value->number & sign) != 0u ? CLK_NEGATIVE : CLK_UINT;
    return true;
}

bool clk_read_value(clk_reader *reader, clk_value *value)
{
    uint32_t first;
    if (!take(reader, 1, &first))
        return false;
    value->bytes = reader->at;
    value->number = first;
    value->type = CLK_UINT;
    if (first < 0x80u)
        return true;
    if (first >= 0xE0u) {
        value->type = CLK_NEGATIVE;
        return true;
    }
    if ((first & 0xE0u) == 0xA0u) {
        value->type = CLK_STR;
        value->number = first & 0x1Fu;
        return skip(reader, value->number);
    }
    switch (first) {
    case 0xC0u:
        value->type = CLK_NIL;
        return true;
    case 0xC2u:
    case 0xC3u:
        value->type = CLK_BOOL;
        value->number = first & 1u;
        return true;
    case 0xC4u:
        return read_bytes(reader, value, CLK_BIN, 1);
    case 0xC5u:
        return read_bytes(reader, value, CLK_BIN, 2);
    case 0xC6u:
        return read_bytes(reader, value, CLK_BIN, 4);
    case 0xCAu:
        value->type = CLK_FLOAT;
        return skip(reader, 4);
    case 0xCBu:
        value->type = CLK_FLOAT;
        return skip(reader, 8);
    case 0xCCu:
        return take(reader, 1, &value->number);
    case 0xCDu:
        return take(reader, 2, &value->number);
    case 0xCEu:
        return take(reader, 4, &value->number);
    case 0xCFu:
        return read_wide(reader, value, false);
    case 0xD0u:
        return read_signed(reader, value, 1);
    case 0xD1u:
        return read_signed(reader, value, 2);
    case 0xD2u:
        return read_signed(reader, value, 4);
    case 0xD3u:
        return read_wide(reader, value, true);
    case 0xD9u:
        return read_bytes(reader, value, CLK_STR, 1);
    case 0xDAu:
        return read_bytes(reader, value, CLK_STR, 2);
    case 0xDBu:
        return read_bytes(reader, value, CLK_STR, 4);
    default:
        return false;
    }
}

static void put(clk_writer *writer, uint32_t byte)
{
    if (writer->count < writer->size)
        writer->bytes[writer->count++] = (uint8_t)(byte & 0xFFu);
    else
        writer->is_full = true;
}

static void put_bytes(clk_writer *writer, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put(writer, bytes[i]);
}

static void put_number(clk_writer *writer, uint32_t number, int bytes)
{
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
        put(writer, number >> shift);
}

void clk_write_map(clk_writer *writer, uint8_t pairs)
{
    put(writer, 0x80u | pairs);
}

void clk_write_uint(clk_writer *writer, uint32_t number)
{
    if (number < 0x80u) {
        put(writer, number);
    } else if (number <= 0xFFu) {
        put(writer, 0xCCu);
        put_number(writer, number, 1);
    } else if (number <= 0xFFFFu) {
        put(writer, 0xCDu);
        put_number(writer, number, 2);
    } else {
        put(writer, 0xCEu);
        put_number(writer, number, 4);
    }
}

void clk_write_int(clk_writer *writer, int32_t number)
{
    const uint32_t bits = (uint32_t)number;
    if (number >= 0) {
        clk_write_uint(writer, bits);
    } else if (number >= -32) {
        put(writer, bits);
    } else if (number >= -128) {
        put(writer, 0xD0u);
        put_number(writer, bits, 1);
    } else if (number >= -32768) {
        put(writer, 0xD1u);
        put_number(writer, bits, 2);
    } else {
        put(writer, 0xD2u);
        put_number(writer, bits, 4);
    }
}

void clk_write_bool(clk_writer *writer, bool is_true)
{
    put(writer, is_true ? 0xC3u : 0xC2u);
}

void clk_write_str(clk_writer *writer, const uint8_t *bytes, size_t count)
{
    if (count < 32u) {
        put(writer, 0xA0u | (uint32_t)count);
    } else {
        put(writer, 0xD9u);
        put_number(writer, (uint32_t)count, 1);
    }
    put_bytes(writer, bytes, count);
}

void clk_write_bin(clk_writer *writer, const uint8_t *bytes, size_t count)
{
    if (count <= 0xFFu) {
        put(writer, 0xC4u);
        put_number(writer, (uint32_t)count, 1);
    } else {
        put(writer, 0xC5u);
        put_number(writer, (uint32_t)count, 2);
    }
    put_bytes(writer, bytes, count);
}
