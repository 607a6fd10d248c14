#include "clk_message.h"

#include "clk_msgpack.h"

#define FIELDS 3u /* the most that a message to a device has */

/* One map, keys in order; `fields[key - 1]` gets what is known, nil for what is absent. Clause 3.1 and 3.4. */
static clk_verdict read_fields(clk_reader *reader, clk_value fields[FIELDS], uint32_t *kind)
{
    uint32_t pairs;
    uint32_t least = 0; /* the lowest key that may come now */
    bool is_known = true;
    if (!clk_read_map(reader, &pairs) || pairs == 0u)
        return CLK_MALFORMED;
    for (uint32_t i = 0; i < FIELDS; i++)
        fields[i].type = CLK_NIL;
    for (uint32_t i = 0; i < pairs; i++) {
        clk_value key;
        clk_value value;
        if (!clk_read_value(reader, &key) || !clk_read_value(reader, &value))
            return CLK_MALFORMED;
        if (key.type != CLK_UINT || key.number < least || key.number > CLK_MAX_KEY)
            return CLK_MALFORMED;
        if (i == 0u) {
            if (key.number != 0u || (value.type != CLK_UINT && value.type != CLK_BIG))
                return CLK_MALFORMED;
            is_known = value.type == CLK_UINT;
            *kind = value.number;
        } else if (key.number <= FIELDS) {
            fields[key.number - 1u] = value;
        }
        least = key.number + 1u;
    }
    if (reader->at != reader->end)
        return CLK_MALFORMED;
    return is_known ? CLK_KNOWN : CLK_UNKNOWN;
}

static bool is_number(const clk_value *value, uint32_t low, uint32_t high)
{
    return value->type == CLK_UINT && value->number >= low && value->number <= high;
}

clk_verdict clk_message_read(const uint8_t *bytes, size_t count, clk_message *message)
{
    clk_reader reader = {bytes, bytes + count};
    clk_value fields[FIELDS];
    const clk_value *text = NULL;
    uint32_t kind = 0;
    bool is_good = true;
    const clk_verdict verdict = read_fields(&reader, fields, &kind);
    if (verdict != CLK_KNOWN)
        return verdict;
    if (kind < CLK_HELLO || kind > CLK_BYE)
        return CLK_UNKNOWN;
    message->kind = (uint8_t)kind;
    message->version = 0;
    message->number = fields[0].number;
    message->bytes = bytes;
    message->length = 0;
    switch (kind) {
    case CLK_HELLO:
        is_good = is_number(&fields[0], 1, 0xFFu) && is_number(&fields[1], 1, 0xFFFFFFFFu);
        text = &fields[2];
        is_good = is_good && text->type == CLK_STR && text->number <= 64u;
        message->version = (uint8_t)(fields[0].number & 0xFFu);
        message->number = fields[1].number;
        break;
    case CLK_SEND:
        text = &fields[1];
        is_good = is_number(&fields[0], 0, 0xFFFFFFFFu) && text->type == CLK_BIN && text->number <= CLK_MTU;
        break;
    case CLK_KEY:
        is_good = is_number(&fields[0], 1, 0xFFFFu);
        break;
    case CLK_PING:
        is_good = is_number(&fields[0], 0, 0xFFFFFFFFu);
        break;
    default: /* Unkey, Get-statistics, Bye have no fields */
        break;
    }
    if (!is_good)
        return CLK_MALFORMED;
    if (text != NULL) {
        message->bytes = text->bytes;
        message->length = text->number;
    }
    return CLK_KNOWN;
}
