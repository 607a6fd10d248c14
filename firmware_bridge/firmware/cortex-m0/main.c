/*
 * The whole of a firmware for a Cortex-M0, to be measured and to be begun with: start-up, a port to an imagined UART and
 * radio (their registers are at made-up addresses), interrupt handler, main loop.
 */
#include <stddef.h>
#include <stdint.h>

#include "clk_bridge.h"

extern uint32_t _stack_top, _data_start, _data_end, _data_load, _bss_start, _bss_end;

typedef struct {
    volatile uint32_t data;
    volatile uint32_t status; /* 1: a byte came; 2: room for a byte */
    volatile uint32_t interrupts;
} uart_registers;

typedef struct {
    volatile uint32_t state; /* 0 idle, 1 sending, 2 busy */
    volatile uint32_t length;
    volatile uint32_t data;
    volatile uint32_t command; /* 1: send */
} radio_registers;

#define UART ((uart_registers *)0x40004400u)
#define RADIO ((radio_registers *)0x40013000u)
#define KEY_PIN (*(volatile uint32_t *)0x48000018u)
#define TICK_CONTROL (*(volatile uint32_t *)0xE000E010u)
#define TICK_RELOAD (*(volatile uint32_t *)0xE000E014u)
#define INTERRUPT_ENABLE (*(volatile uint32_t *)0xE000E100u)

static clk_bridge bridge;
static volatile uint32_t milliseconds;

static uint32_t now_ms(void *context)
{
    (void)context;
    return milliseconds;
}

static void uart_start(void *context)
{
    (void)context;
    UART->interrupts = 3u;
}

static void key(void *context, bool is_on)
{
    (void)context;
    KEY_PIN = is_on ? 1u : 0x10000u;
}

static clk_status modem_status(void *context)
{
    (void)context;
    return CLK_READY;
}

static clk_modem_state modem_state(void *context)
{
    (void)context;
    return RADIO->state == 0u ? CLK_IDLE : RADIO->state == 1u ? CLK_SENDING : CLK_BUSY;
}

static clk_offer modem_send(void *context, const uint8_t *packet, size_t length)
{
    (void)context;
    for (size_t i = 0; i < length; i++)
        RADIO->data = packet[i];
    RADIO->length = length;
    RADIO->command = 1u;
    return CLK_TAKEN;
}

static int modem_receive(void *context, uint8_t *packet, int *snr_ddb)
{
    (void)context;
    (void)snr_ddb;
    const uint32_t length = RADIO->length;
    if (length == 0u || length > CLK_MTU)
        return -1;
    for (uint32_t i = 0; i < length; i++)
        packet[i] = (uint8_t)RADIO->data;
    return (int)length;
}

static const clk_port PORT = {NULL, now_ms, uart_start, key, modem_status, modem_state, modem_send, modem_receive};
static const clk_settings SETTINGS = {
    "cortex-m0", 120000, 0, 20, 0, 10, 200000, 0, CLK_MTU, CLK_HALF_DUPLEX | CLK_WHOLE_PACKETS | CLK_HAS_KEY,
};

static void tick_handler(void)
{
    milliseconds++;
}

static void uart_handler(void)
{
    if ((UART->status & 1u) != 0u)
        (void)clk_bridge_received(&bridge, (uint8_t)UART->data);
    if ((UART->status & 2u) != 0u && (UART->interrupts & 2u) != 0u) {
        const int byte = clk_bridge_next_byte(&bridge);
        if (byte >= 0)
            UART->data = (uint32_t)byte;
        else
            UART->interrupts = 1u;
    }
}

static void halt(void)
{
    KEY_PIN = 0x10000u; /* whatever happened: not on the air */
    for (;;) {
    }
}

/* What compilers call behind one's back. */
void *memcpy(void *to, const void *from, size_t count);
void *memset(void *to, int byte, size_t count);

void *memcpy(void *to, const void *from, size_t count)
{
    uint8_t *target = to;
    const uint8_t *source = from;
    while (count-- > 0u)
        *target++ = *source++;
    return to;
}

void *memset(void *to, int byte, size_t count)
{
    uint8_t *target = to;
    while (count-- > 0u)
        *target++ = (uint8_t)byte;
    return to;
}

void reset(void);

void reset(void)
{
    const uint32_t *from = &_data_load;
    for (uint32_t *to = &_data_start; to < &_data_end; to++)
        *to = *from++;
    for (uint32_t *to = &_bss_start; to < &_bss_end; to++)
        *to = 0;
    TICK_RELOAD = 48000u - 1u;
    TICK_CONTROL = 7u;
    clk_bridge_init(&bridge, &PORT, &SETTINGS);
    UART->interrupts = 3u; /* uart_start was for nothing before the interrupt was there */
    INTERRUPT_ENABLE = 1u << 27;
    for (;;)
        clk_bridge_poll(&bridge);
}

typedef void (*handler)(void);

__attribute__((section(".vectors"), used)) static const handler VECTORS[16 + 28] = {
    (handler)(uintptr_t)&_stack_top, reset, halt, halt, [11] = halt, [14] = halt, [15] = tick_handler, [16 + 27] = uart_handler,
};
