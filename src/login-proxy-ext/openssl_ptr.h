// Who owns OpenSSL's objects: each in a pointer that frees it.
#pragma once

#include <memory>
#include <string>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace proxymap {

template <auto free_function> struct Free_with {
    template <typename T> void operator()(T *object) const { free_function(object); }
};

struct Free_chain {
    void operator()(STACK_OF(X509) * chain) const { sk_X509_pop_free(chain, X509_free); }
};

using Bio_ptr = std::unique_ptr<BIO, Free_with<BIO_free>>;
using Key_ptr = std::unique_ptr<EVP_PKEY, Free_with<EVP_PKEY_free>>;
using Certificate_ptr = std::unique_ptr<X509, Free_with<X509_free>>;
using Chain_ptr = std::unique_ptr<STACK_OF(X509), Free_chain>;
using Crl_ptr = std::unique_ptr<X509_CRL, Free_with<X509_CRL_free>>;
using Store_ptr = std::unique_ptr<X509_STORE, Free_with<X509_STORE_free>>;
using Session_ptr = std::unique_ptr<SSL_SESSION, Free_with<SSL_SESSION_free>>;
using Ssl_ptr = std::unique_ptr<SSL, Free_with<SSL_free>>;
using Ssl_ctx_ptr = std::unique_ptr<SSL_CTX, Free_with<SSL_CTX_free>>;

// OpenSSL's queue of errors belongs to the whole process, and Dovecot takes what lies in it for its
// own. What is queued in the life of this object is gone at its end, what lay there before stays.
class Own_openssl_errors {
  public:
    Own_openssl_errors() { ERR_set_mark(); }
    ~Own_openssl_errors() { ERR_pop_to_mark(); }
    Own_openssl_errors(const Own_openssl_errors &) = delete;
    Own_openssl_errors &operator=(const Own_openssl_errors &) = delete;

    // The reason of the newest error, as "no start line".
    static std::string newest()
    {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        return reason != nullptr ? reason : "no reason given";
    }
};

} // namespace proxymap
