#include "stream_hash.h"

#include <string.h>

#include <openssl/evp.h>

static int update(EVP_MD_CTX *digest, const char *text)
{
    return EVP_DigestUpdate(digest, text, strlen(text));
}

int stream_hash(unsigned char *hash, const char *sid, const char *requester, const char *target)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    int is_done = digest && EVP_DigestInit_ex(digest, EVP_sha1(), NULL) && update(digest, sid) &&
                  update(digest, requester) && update(digest, target) &&
                  EVP_DigestFinal_ex(digest, hash, NULL);
    EVP_MD_CTX_free(digest);
    return is_done;
}
