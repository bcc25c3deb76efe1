// Reads the files of a TLS policy.
#include "policy_files.h"

#include "../core/conf_file.h"

#include <openssl/crypto.h>

namespace proxymap {

namespace {

constexpr std::size_t max_file_bytes = 16U << 20U;

Result<Done> read_if_named(const Tls_policy &policy, const char *setting, const std::string &path,
                           File_access access, std::string *bytes_r)
{
    if (path.empty())
        return Done{};
    auto blame = [&](const std::string &what) {
        return Error{"tls_policy " + policy.name + ": " + setting + ": " + what};
    };
    Result<std::string> bytes = read_file(path, max_file_bytes, access);
    if (!bytes)
        return blame(bytes.error().message);
    if (bytes->empty())
        return blame(path + " is empty");
    *bytes_r = std::move(*bytes);
    return Done{};
}

} // namespace

Policy_files::~Policy_files()
{
    OPENSSL_cleanse(key.data(), key.size());
}

Result<Policy_files> read_policy_files(const Tls_policy &policy)
{
    struct {
        const char *setting;
        const std::string &path;
        File_access access;
        std::string Policy_files::*bytes;
    } const all[] = {
        {"ca_file", policy.ca_file, File_access::any, &Policy_files::ca},
        {"crl_file", policy.crl_file, File_access::any, &Policy_files::crl},
        {"certificate", policy.certificate_file, File_access::any, &Policy_files::certificate},
        {"key", policy.key_file, File_access::secret, &Policy_files::key},
    };
    Policy_files files;
    for (const auto &file : all) {
        if (Result<Done> done =
                read_if_named(policy, file.setting, file.path, file.access, &(files.*file.bytes));
            !done)
            return done.error();
    }
    return files;
}

} // namespace proxymap
