/**
 * The bytes of a file that was offered by stream initiation.
 */
#ifndef SI_TAKE_H
#define SI_TAKE_H

#include "jingle_transport.h"
#include "si.h"

/**
 * Accepts an offer and takes all its bytes, as many as were announced, through whichever of the
 * sender's streamhosts can be connected to. That one, and thereby perhaps the sender, sees this
 * machine's address.
 * @param intake its session is not looked at.
 * @return as jingle_transport_t.receive; JF_ERR_DIGEST for another MD5, if the offer has nothing
 * better
 */
jf_err_t *si_take(si_offer_t *offer, xmpp_session_t *session, const jingle_intake_t *intake);

#endif
