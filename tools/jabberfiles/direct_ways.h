/**
 * The ways of direct.h, each in a file of its own; direct_ways.c has their order.
 */
#ifndef DIRECT_WAYS_H
#define DIRECT_WAYS_H

#include "direct.h"

/** direct_serve.c: this machine serves the file, the recipient's fetches it (XEP-0066). */
extern const direct_way_t direct_way_serve;

/** take_way.c: the recipient's machine takes a PUT of this one (XEP-0166, XEP-0234, XEP-0370). */
extern const direct_way_t direct_way_take;

/** direct_bytestream.c: through the relay of the own Jabber server (XEP-0065). */
extern const direct_way_t direct_way_bytestream;

#endif
