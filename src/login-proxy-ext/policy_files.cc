// Reads the files of a TLS policy.
#include "policy_files.h"

#include <array>

#include <openssl/crypto.h>

namespace proxymap {

namespace {

constexpr std::size_t max_file_bytes = 16U << 20U;

struct Named_file {
    const char *setting;
    const std::string &path; // empty: none
    File_access access;
    std::string Policy_files::*bytes;
};

std::array<Named_file, 4> files_named_by(const Tls_policy &policy)
{
    return {{
        {"ca_file", policy.ca_file, File_access::any, &Policy_files::ca},
        {"crl_file", policy.crl_file, File_access::any, &Policy_files::crl},
        {"certificate", policy.certificate_file, File_access::any, &Policy_files::certificate},
        {"key", policy.key_file, File_access::secret, &Policy_files::key},
    }};
}

void wipe(std::string *bytes)
{
    OPENSSL_cleanse(bytes->data(), bytes->size());
}

} // namespace

Policy_files::~Policy_files()
{
    wipe(&key);
}

Kept_files::~Kept_files()
{
    for (auto &[file, bytes] : bytes_) {
        if (bytes && file.second == File_access::secret)
            wipe(&*bytes);
    }
}

void Kept_files::read(const Tls_policy &policy)
{
    for (const Named_file &file : files_named_by(policy)) {
        const std::pair<std::string, File_access> wanted(file.path, file.access);
        if (!file.path.empty() && !bytes_.contains(wanted))
            bytes_.emplace(wanted, read_file(file.path, max_file_bytes, file.access));
    }
}

Result<Policy_files> Kept_files::files_of(const Tls_policy &policy) const
{
    Policy_files files;
    for (const Named_file &file : files_named_by(policy)) {
        if (file.path.empty())
            continue;
        auto blame = [&](const std::string &what) {
            return Error{"tls_policy " + policy.name + ": " + file.setting + ": " + what};
        };
        auto kept = bytes_.find({file.path, file.access});
        if (kept == bytes_.end())
            return blame(file.path + " has not been read");
        const Result<std::string> &bytes = kept->second;
        if (!bytes)
            return blame(bytes.error().message);
        if (bytes->empty())
            return blame(file.path + " is empty");
        files.*file.bytes = *bytes;
    }
    return files;
}

Result<Policy_files> read_policy_files(const Tls_policy &policy)
{
    Kept_files kept;
    kept.read(policy);
    return kept.files_of(policy);
}

} // namespace proxymap
