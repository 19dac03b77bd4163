/**
 * Ledgers as older versions of this program have left them, with rows.
 *
 * alice has two files and replaces "a" (JF_OLD_OBJECT_IN_FLIGHT, 8 bytes) while she uploads "new"
 * (JF_OLD_NEW_PROMISE, 10 bytes); bob has no limit and one file; one area's name was never a JID.
 */
#ifndef T_OLD_LEDGER_H
#define T_OLD_LEDGER_H

#include "t_fixture.h"

/** From 1 to this. */
#define JF_OLD_VERSIONS 2

#define JF_OLD_UMLAUT "j\xC3\xBCrgen@example.org"
#define JF_OLD_NO_JID "no-jid"
/** The greatest of their areas, the one of JF_OLD_NO_JID, has this number. */
#define JF_OLD_GREATEST_AREA 9
#define JF_OLD_SHA1_OF_ALICE "45a6b241a242c97f0492d382c390dfa335aac986"
#define JF_OLD_SHA1_OF_BOB "97ec78b292ab06a5b64d5cc50140b2a3fd901061"
#define JF_OLD_SHA1_OF_UMLAUT "494dfbac0bd525caafcc61ff32ce9c82b30e4256"
#define JF_OLD_OBJECT_IN_FLIGHT "000000000000000000000000000000f1"
#define JF_OLD_NEW_PROMISE "000000000000000000000000000000f2"
/** Version 2: a slot of 20 bytes for alice's "slot", and a token that is used. */
#define JF_OLD_SLOT_TOKEN "slot-token"
#define JF_OLD_USED_TOKEN "used-token"

/** Puts a ledger of @a version in place of the fixture's, with the id it had. */
void jf_old_ledger_make(const jf_fixture_t *fixture, int version);

#endif
