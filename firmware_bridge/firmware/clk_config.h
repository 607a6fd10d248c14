/* Sizes, fixed at compile time: set them with -D or here. All memory that the bridge uses follows from them. */
#ifndef CLK_CONFIG_H
#define CLK_CONFIG_H

#ifndef CLK_MTU
#define CLK_MTU 128 /* longest packet on the air, bytes */
#endif
#ifndef CLK_QUEUE
#define CLK_QUEUE 3 /* packets that wait for the modem */
#endif
#ifndef CLK_RX_RING
#define CLK_RX_RING 128 /* bytes from the host between two polls; a power of two */
#endif
#ifndef CLK_TX_RING
#define CLK_TX_RING 256 /* bytes for the host; a power of two that holds the longest message */
#endif
#ifndef CLK_SESSION_MS
#define CLK_SESSION_MS 5000u /* BRIDGE.md 4.5 */
#endif
#ifndef CLK_KEY_REST_MS
#define CLK_KEY_REST_MS 1000u /* BRIDGE.md 5.7 */
#endif

#endif
