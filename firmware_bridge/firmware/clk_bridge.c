#include "clk_bridge.h"

#include "clk_msgpack.h"

/* The longest message to the host: Heard of CLK_MTU bytes, or Info with its name. */
#define SCRATCH_BYTES (CLK_MTU + 64)

typedef char tx_ring_holds_the_longest_message[CLK_TX_RING > SCRATCH_BYTES + 4 + SCRATCH_BYTES / 254 ? 1 : -1];
typedef char rings_are_powers_of_two[(CLK_TX_RING & (CLK_TX_RING - 1)) == 0 && (CLK_RX_RING & (CLK_RX_RING - 1)) == 0
                                         ? 1
                                         : -1];
typedef char info_fits[CLK_MTU >= 64 && CLK_MTU <= 4096 ? 1 : -1];
typedef char queue_fits[CLK_QUEUE >= 1 && CLK_QUEUE <= 32 ? 1 : -1];

/* ---- messages to the host */

static void put_tx(void *to, uint8_t byte)
{
    (void)clk_ring_put((clk_ring *)to, byte);
}

static clk_writer begin(clk_bridge *bridge, uint8_t pairs, uint8_t kind)
{
    clk_writer writer = {bridge->scratch, sizeof bridge->scratch - CLK_CRC_BYTES, 0, false};
    clk_write_map(&writer, pairs);
    clk_write_uint(&writer, 0);
    clk_write_uint(&writer, kind);
    return writer;
}

static void field(clk_writer *writer, uint8_t key, uint32_t number)
{
    clk_write_uint(writer, key);
    clk_write_uint(writer, number);
}

/* False: the line is busy, nothing was written. */
static bool say(clk_bridge *bridge, const clk_writer *writer)
{
    if (writer->is_full || clk_ring_room(&bridge->tx) < clk_frame_bytes(writer->count))
        return false;
    clk_frame(bridge->scratch, writer->count, put_tx, &bridge->tx);
    if (bridge->port->uart_start != NULL)
        bridge->port->uart_start(bridge->port->context);
    return true;
}

static void say_info(clk_bridge *bridge)
{
    const clk_settings *settings = bridge->settings;
    size_t length = 0;
    while (length < 64u && settings->name[length] != '\0')
        length++;
    clk_writer writer = begin(bridge, 12, CLK_INFO);
    field(&writer, 1, CLK_VERSION);
    field(&writer, 2, bridge->session);
    field(&writer, 3, settings->mtu);
    field(&writer, 4, CLK_QUEUE);
    field(&writer, 5, settings->rate_cbps);
    field(&writer, 6, settings->overhead_bytes);
    field(&writer, 7, settings->fixed_ms);
    field(&writer, 8, settings->turnaround_ms);
    field(&writer, 9, settings->delay_ms);
    field(&writer, 10, settings->flags);
    clk_write_uint(&writer, 11);
    clk_write_str(&writer, (const uint8_t *)settings->name, length);
    (void)say(bridge, &writer);
}

static bool say_outcome(clk_bridge *bridge, uint32_t number, bool is_lost, uint32_t cause)
{
    clk_writer writer = begin(bridge, is_lost ? 3 : 2, is_lost ? CLK_LOST : CLK_SENT);
    field(&writer, 1, number);
    if (is_lost)
        field(&writer, 2, cause);
    return say(bridge, &writer);
}

static void say_pong(clk_bridge *bridge, uint32_t token)
{
    clk_writer writer = begin(bridge, 6, CLK_PONG);
    field(&writer, 1, token);
    field(&writer, 2, bridge->session);
    field(&writer, 3, (uint32_t)bridge->port->modem_status(bridge->port->context));
    field(&writer, 4, bridge->waiting);
    clk_write_uint(&writer, 5);
    clk_write_bool(&writer, bridge->is_keyed);
    (void)say(bridge, &writer);
}

static void say_statistics(clk_bridge *bridge, uint32_t now)
{
    const clk_statistics *counts = &bridge->statistics;
    clk_writer writer = begin(bridge, 11, CLK_STATISTICS);
    field(&writer, 1, now - bridge->started_ms);
    field(&writer, 2, counts->rx_frames);
    field(&writer, 3, counts->rx_bad_frames);
    field(&writer, 4, counts->rx_overrun_bytes);
    field(&writer, 5, counts->rx_malformed);
    field(&writer, 6, counts->sent_packets);
    field(&writer, 7, counts->lost_packets);
    field(&writer, 8, counts->heard_packets);
    field(&writer, 9, counts->heard_dropped);
    field(&writer, 10, counts->key_time_outs);
    (void)say(bridge, &writer);
}

/* ---- the queue */

/* The oldest packet is over. False, and nothing has changed: the host cannot be told now. */
static bool finish(clk_bridge *bridge, bool is_lost, clk_lost_cause cause)
{
    if (bridge->session != 0u && !say_outcome(bridge, bridge->expected - bridge->waiting, is_lost, (uint32_t)cause))
        return false;
    bridge->first = (uint8_t)((bridge->first + 1u) % CLK_QUEUE);
    bridge->waiting--;
    bridge->outcomes = (bridge->outcomes << 1) | (is_lost ? 1u : 0u);
    bridge->causes = (bridge->causes << 2) | (uint32_t)cause;
    if (bridge->ended < 32u)
        bridge->ended++;
    if (is_lost)
        bridge->statistics.lost_packets++;
    else
        bridge->statistics.sent_packets++;
    return true;
}

/* A Send of a number taken before (5.3). */
static void tell_again(clk_bridge *bridge, uint32_t number)
{
    const uint32_t ago = bridge->expected - bridge->waiting - 1u - number;
    if (ago >= bridge->ended)
        return; /* still waiting (ago is huge then), or too long ago */
    const bool is_lost = ((bridge->outcomes >> ago) & 1u) != 0u;
    const uint32_t cause = ago < 16u ? (bridge->causes >> (2u * ago)) & 3u : (uint32_t)CLK_LOST_OTHER;
    (void)say_outcome(bridge, number, is_lost, cause);
}

static void take(clk_bridge *bridge, const clk_message *message)
{
    if (message->number != bridge->expected) {
        tell_again(bridge, message->number);
        return;
    }
    if (bridge->waiting == CLK_QUEUE)
        return; /* 5.2; it comes again (5.4) */
    clk_packet *packet = &bridge->queue[(bridge->first + bridge->waiting) % CLK_QUEUE];
    for (size_t i = 0; i < message->length; i++)
        packet->bytes[i] = message->bytes[i];
    packet->length = (uint16_t)message->length;
    bridge->waiting++;
    bridge->expected++;
}

/* ---- sessions */

static void end_session(clk_bridge *bridge)
{
    bridge->statistics.lost_packets += bridge->waiting;
    bridge->waiting = 0;
    bridge->session = 0;
    bridge->host_gone = bridge->is_held;
    bridge->is_held = false;
}

static void greet(clk_bridge *bridge, const clk_message *message)
{
    if (message->number != bridge->session) {
        end_session(bridge);
        bridge->session = message->number;
        bridge->expected = 1;
        bridge->ended = 0;
    }
    say_info(bridge);
    bridge->owes_status = true;
}

static void handle(clk_bridge *bridge, const clk_message *message, uint32_t now)
{
    bridge->heard_host_ms = now;
    if (message->kind == CLK_HELLO) {
        greet(bridge, message);
        return;
    }
    if (message->kind == CLK_PING) {
        say_pong(bridge, message->number);
        return;
    }
    if (bridge->session == 0u) {
        if (message->kind != CLK_BYE)
            say_info(bridge); /* 4.7 */
        return;
    }
    switch (message->kind) {
    case CLK_SEND:
        take(bridge, message);
        break;
    case CLK_KEY:
        bridge->is_held = true;
        bridge->held_ms = now;
        bridge->hold_ms = message->number;
        break;
    case CLK_UNKEY:
        if (bridge->is_held)
            bridge->wanted_ms = now;
        bridge->is_held = false;
        break;
    case CLK_GET_STATISTICS:
        say_statistics(bridge, now);
        break;
    default:
        end_session(bridge);
        break;
    }
}

static void hear_host(clk_bridge *bridge, uint32_t now)
{
    int byte;
    while ((byte = clk_ring_get(&bridge->rx)) >= 0) {
        size_t length = 0;
        clk_message message;
        switch (clk_receive(&bridge->receiver, (uint8_t)byte, &length)) {
        case CLK_FRAME:
            bridge->statistics.rx_frames++;
            switch (clk_message_read(bridge->incoming, length, &message)) {
            case CLK_KNOWN:
                if (message.kind == CLK_SEND && message.length > bridge->settings->mtu)
                    bridge->statistics.rx_malformed++;
                else
                    handle(bridge, &message, now);
                break;
            case CLK_MALFORMED:
                bridge->statistics.rx_malformed++;
                break;
            default:
                break; /* of a later version (3.4) */
            }
            break;
        case CLK_BAD_FRAME:
            bridge->statistics.rx_bad_frames++;
            break;
        default:
            break;
        }
    }
    if (bridge->session != 0u && now - bridge->heard_host_ms >= CLK_SESSION_MS)
        end_session(bridge);
}

/* ---- key and modem */

static void set_key(clk_bridge *bridge, bool is_on, clk_key_cause cause)
{
    bridge->is_keyed = is_on;
    if (bridge->port->key != NULL)
        bridge->port->key(bridge->port->context, is_on);
    if (bridge->session == 0u)
        return;
    clk_writer writer = begin(bridge, 3, CLK_KEYED);
    clk_write_uint(&writer, 1);
    clk_write_bool(&writer, is_on);
    field(&writer, 2, (uint32_t)cause);
    (void)say(bridge, &writer);
}

static void work_key(clk_bridge *bridge, clk_modem_state state, uint32_t now)
{
    const clk_settings *settings = bridge->settings;
    if (bridge->is_held && now - bridge->held_ms >= bridge->hold_ms) {
        bridge->is_held = false;
        bridge->hold_ended = true;
        bridge->wanted_ms = now; /* the tail begins here, however long ago the last poll was */
    }
    const bool has_packet = bridge->waiting != 0u && (state != CLK_BUSY || bridge->is_barred);
    const bool is_wanted = has_packet || state == CLK_SENDING || bridge->is_held;
    if (is_wanted) {
        bridge->wanted_ms = now;
        bridge->hold_ended = false; /* it is something else that keeps it keyed */
    }
    if (bridge->is_barred) {
        bridge->is_held = false;
        while (bridge->waiting != 0u && finish(bridge, true, CLK_LOST_KEY)) {
        }
        if (now - bridge->wanted_ms >= CLK_KEY_REST_MS)
            bridge->is_barred = false;
    } else if (!bridge->is_keyed && is_wanted) {
        bridge->keyed_ms = now;
        bridge->hold_ended = bridge->host_gone = false;
        set_key(bridge, true, CLK_KEY_WANTED);
    } else if (bridge->is_keyed && now - bridge->keyed_ms >= settings->key_max_ms) {
        bridge->statistics.key_time_outs++;
        bridge->is_barred = true;
        bridge->is_held = false;
        set_key(bridge, false, CLK_KEY_TIME_OUT);
        while (bridge->waiting != 0u && finish(bridge, true, CLK_LOST_KEY)) {
        }
    } else if (bridge->is_keyed && !is_wanted && now - bridge->wanted_ms >= settings->tail_ms) {
        clk_key_cause cause = CLK_KEY_WANTED;
        if (bridge->host_gone)
            cause = CLK_KEY_HOST_GONE;
        else if (bridge->hold_ended)
            cause = CLK_KEY_HOLD_ENDED;
        set_key(bridge, false, cause);
    }
}

static void feed_modem(clk_bridge *bridge, uint32_t now)
{
    const clk_port *port = bridge->port;
    if (bridge->waiting == 0u || !bridge->is_keyed || now - bridge->keyed_ms < bridge->settings->turnaround_ms)
        return;
    if (port->modem_state(port->context) != CLK_IDLE || clk_ring_room(&bridge->tx) < clk_frame_bytes(16))
        return; /* the second: Sent must have room before the modem takes the packet */
    const clk_packet *packet = &bridge->queue[bridge->first];
    switch (port->modem_send(port->context, packet->bytes, packet->length)) {
    case CLK_TAKEN:
        (void)finish(bridge, false, CLK_LOST_OTHER);
        break;
    case CLK_REFUSED:
        (void)finish(bridge, true, CLK_LOST_REFUSED);
        break;
    default:
        break;
    }
}

static void hear_air(clk_bridge *bridge)
{
    /* The packet is read to its place in the message, after a head of 6 bytes, or 7 where it may be longer than 255. */
    const size_t head = CLK_MTU > 255 ? 7u : 6u;
    int snr_ddb = CLK_NO_SNR;
    const int got = bridge->port->modem_receive(bridge->port->context, bridge->scratch + head, &snr_ddb);
    if (got < 0 || got > CLK_MTU)
        return;
    bridge->statistics.heard_packets++;
    /* The writer goes over the bytes in place: it writes each no later than it reads it. */
    clk_writer writer = begin(bridge, snr_ddb == CLK_NO_SNR ? 2 : 3, CLK_HEARD);
    clk_write_uint(&writer, 1);
    clk_write_bin(&writer, bridge->scratch + head, (size_t)got);
    if (snr_ddb != CLK_NO_SNR) {
        clk_write_uint(&writer, 2);
        clk_write_int(&writer, snr_ddb);
    }
    if (bridge->session == 0u || !say(bridge, &writer))
        bridge->statistics.heard_dropped++;
}

static void tell_status(clk_bridge *bridge)
{
    const uint8_t status = (uint8_t)bridge->port->modem_status(bridge->port->context);
    if (bridge->session == 0u || (!bridge->owes_status && status == bridge->told_status))
        return;
    clk_writer writer = begin(bridge, 2, CLK_STATUS);
    field(&writer, 1, status);
    if (say(bridge, &writer)) {
        bridge->told_status = status;
        bridge->owes_status = false;
    }
}

/* ---- the caller's */

void clk_bridge_init(clk_bridge *bridge, const clk_port *port, const clk_settings *settings)
{
    /* Field by field: a memset must not touch what is volatile, and what is not listed is written before it is read. */
    bridge->port = port;
    bridge->settings = settings;
    bridge->statistics = (clk_statistics){0, 0, 0, 0, 0, 0, 0, 0, 0};
    bridge->session = bridge->expected = 0;
    bridge->outcomes = bridge->causes = 0;
    bridge->ended = bridge->told_status = 0;
    bridge->owes_status = false;
    bridge->is_keyed = bridge->is_held = bridge->is_barred = false;
    bridge->hold_ended = bridge->host_gone = false;
    bridge->first = bridge->waiting = 0;
    clk_ring_init(&bridge->rx, bridge->rx_bytes, CLK_RX_RING);
    clk_ring_init(&bridge->tx, bridge->tx_bytes, CLK_TX_RING);
    clk_receiver_init(&bridge->receiver, bridge->incoming, sizeof bridge->incoming);
    const uint32_t now = port->now_ms(port->context);
    bridge->started_ms = bridge->heard_host_ms = now;
    bridge->keyed_ms = bridge->wanted_ms = bridge->held_ms = now;
    bridge->hold_ms = 0;
    if (port->key != NULL)
        port->key(port->context, false);
    say_info(bridge);
}

void clk_bridge_poll(clk_bridge *bridge)
{
    const uint32_t now = bridge->port->now_ms(bridge->port->context);
    hear_host(bridge, now);
    work_key(bridge, bridge->port->modem_state(bridge->port->context), now);
    feed_modem(bridge, now);
    hear_air(bridge);
    tell_status(bridge);
}

bool clk_bridge_received(clk_bridge *bridge, uint8_t byte)
{
    if (clk_ring_put(&bridge->rx, byte))
        return true;
    bridge->statistics.rx_overrun_bytes++;
    return false;
}

int clk_bridge_next_byte(clk_bridge *bridge)
{
    return clk_ring_get(&bridge->tx);
}
