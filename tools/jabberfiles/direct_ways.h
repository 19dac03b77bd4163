/**
 * The ways of direct.h, each in a file of its own; direct_ways.c has their order.
 */
#ifndef DIRECT_WAYS_H
#define DIRECT_WAYS_H

#include "direct.h"

/** direct_serve.c: this machine serves the file, the recipient's fetches it (XEP-0066). */
extern const direct_way_t direct_way_serve;

#endif
