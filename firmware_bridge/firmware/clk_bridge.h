/*
 * The bridge beside a modem: messages from and to the host, packets to and from the modem, the transmitter's key.
 *
 * Rule: no heap, no globals, no waiting. All state is in one `clk_bridge` that the caller owns; all contact with the
 * machine is in one `clk_port` that the caller writes. INTEGRATION.md says how.
 *
 * What each clause asks is cited beside the code: they are those of BRIDGE.md.
 */
#ifndef CLK_BRIDGE_H
#define CLK_BRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clk_cobs.h"
#include "clk_config.h"
#include "clk_message.h"
#include "clk_ring.h"

typedef enum { CLK_NO_PORT, CLK_STARTING, CLK_READY, CLK_SILENT, CLK_STOPPED } clk_status; /* 6.2 */
typedef enum {
    CLK_IDLE,    /* takes a packet */
    CLK_SENDING, /* on the air */
    CLK_BUSY     /* takes none: receiving, starting, out of order */
} clk_modem_state;
typedef enum { CLK_TAKEN, CLK_NOT_NOW, CLK_REFUSED } clk_offer;
typedef enum { CLK_LOST_OTHER, CLK_LOST_REFUSED, CLK_LOST_KEY, CLK_LOST_SHUT_DOWN } clk_lost_cause; /* 6.3 */
typedef enum { CLK_KEY_WANTED, CLK_KEY_HOLD_ENDED, CLK_KEY_TIME_OUT, CLK_KEY_HOST_GONE } clk_key_cause; /* 6.6 */

#define CLK_HALF_DUPLEX 1u
#define CLK_WHOLE_PACKETS 2u
#define CLK_HAS_KEY 4u
#define CLK_NO_SNR (-32768)

/* The machine. Every function gets `context`, is called from clk_bridge_poll, and returns at once. */
typedef struct {
    void *context;
    uint32_t (*now_ms)(void *context); /* a clock that may wrap */
    /* Bytes wait for the host: switch the transmit interrupt on, whose handler calls clk_bridge_next_byte. NULL: polled. */
    void (*uart_start)(void *context);
    void (*key)(void *context, bool is_on); /* NULL: no key line */
    clk_status (*modem_status)(void *context);
    clk_modem_state (*modem_state)(void *context);
    clk_offer (*modem_send)(void *context, const uint8_t *packet, size_t length);
    /* A packet heard, into `packet` (CLK_MTU bytes): its length, or -1. `snr_ddb`: tenths of dB; leave it if not known. */
    int (*modem_receive)(void *context, uint8_t *packet, int *snr_ddb);
} clk_port;

/* What is told to the host (6.1), and the key's times. */
typedef struct {
    const char *name; /* at most 64 bytes */
    uint32_t rate_cbps;
    uint32_t fixed_ms;
    uint32_t turnaround_ms; /* waited between key-up and the first packet */
    uint32_t delay_ms;
    uint32_t tail_ms;    /* kept keyed after the last bit */
    uint32_t key_max_ms; /* 5.7 */
    uint16_t overhead_bytes;
    uint16_t mtu; /* at most CLK_MTU */
    uint8_t flags;
} clk_settings;

typedef struct {
    uint32_t rx_frames;
    uint32_t rx_bad_frames;
    volatile uint32_t rx_overrun_bytes; /* counted by the interrupt */
    uint32_t rx_malformed;
    uint32_t sent_packets;
    uint32_t lost_packets;
    uint32_t heard_packets;
    uint32_t heard_dropped;
    uint32_t key_time_outs;
} clk_statistics;

typedef struct {
    uint16_t length;
    uint8_t bytes[CLK_MTU];
} clk_packet;

typedef struct {
    const clk_port *port;
    const clk_settings *settings;
    clk_ring rx;
    clk_ring tx;
    clk_receiver receiver;
    clk_statistics statistics;

    uint32_t started_ms;
    uint32_t heard_host_ms;
    uint32_t session;  /* 0: none */
    uint32_t expected; /* number of the next Send (5.2) */
    uint32_t outcomes; /* of the last 32 numbers that ended, newest in bit 0: 1 is lost (5.3) */
    uint32_t causes;   /* cause of the last 16 that ended, 2 bits each */
    uint8_t ended;     /* how many of `outcomes` there are */
    uint8_t told_status;
    bool owes_status;

    bool is_keyed;
    bool is_held;
    bool is_barred; /* 5.7 */
    bool hold_ended;
    bool host_gone;
    uint32_t keyed_ms;  /* since when */
    uint32_t wanted_ms; /* last time that somebody wanted it keyed */
    uint32_t held_ms;   /* since when, */
    uint32_t hold_ms;   /* and for how long */

    uint8_t first; /* of the queue */
    uint8_t waiting;
    clk_packet queue[CLK_QUEUE];
    uint8_t scratch[CLK_MTU + 64]; /* the message being written, its CRC included */
    uint8_t incoming[CLK_MESSAGE_BYTES + CLK_CRC_BYTES];
    volatile uint8_t rx_bytes[CLK_RX_RING];
    volatile uint8_t tx_bytes[CLK_TX_RING];
} clk_bridge;

/* `port` and `settings` must stay. Tells the host of the start (4.7). */
void clk_bridge_init(clk_bridge *bridge, const clk_port *port, const clk_settings *settings);

/* The main loop's part: everything that is due. Call it at least every few milliseconds. */
void clk_bridge_poll(clk_bridge *bridge);

/* A byte from the host: from the receive interrupt, or from the main loop. False: no room, the byte is lost and counted. */
bool clk_bridge_received(clk_bridge *bridge, uint8_t byte);

/* The next byte for the host, -1 if there is none (switch the transmit interrupt off): from the interrupt or the loop. */
int clk_bridge_next_byte(clk_bridge *bridge);

#endif
