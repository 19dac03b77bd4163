#include "get_outcome.h"

#include <microhttpd.h>

typedef struct outcome_row_t {
    const char *text;
    unsigned status;
} outcome_row_t;

static const outcome_row_t rows[] = {
    [GET_DELIVERED] = {"delivered", 0},
    [GET_FAILED] = {"failed here", MHD_HTTP_INTERNAL_SERVER_ERROR},
    [GET_USAGE] = {"wrong usage", 0},
    [GET_NOBODY_CAME] = {"nobody came for it", 0},
    [GET_REFUSED] = {"refused by the foreign side", MHD_HTTP_GONE},
    [GET_SILENT] = {"the foreign side said nothing", MHD_HTTP_GATEWAY_TIMEOUT},
    [GET_BROKEN] = {"broken by the foreign side", MHD_HTTP_BAD_GATEWAY},
    [GET_TOO_LONG] = {"the foreign side sent more than announced", MHD_HTTP_BAD_GATEWAY},
    [GET_CLIENT_GONE] = {"the client went away", 0},
    [GET_STOPPED] = {"told to stop", MHD_HTTP_SERVICE_UNAVAILABLE},
};

const char *get_outcome_text(get_outcome_t outcome)
{
    return rows[outcome].text;
}

unsigned get_outcome_status(get_outcome_t outcome)
{
    return rows[outcome].status;
}
