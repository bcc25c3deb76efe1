// Reads the files of a TLS policy.
#include "policy_files.h"

#include <array>

#include <openssl/crypto.h>

namespace proxymap {

namespace {

constexpr std::size_t max_file_bytes = 16U << 20U;
constexpr std::size_t small_file_bytes = 64U << 10U;

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
    for (auto &[name, kept] : kept_) {
        if (kept && name.second == File_access::secret)
            wipe(&std::get<std::string>(*kept));
    }
}

Result<Kept_files::Kept> Kept_files::keep(const std::string &path, File_access access)
{
    Result<Open_file> file = Open_file::open(path, access);
    if (!file)
        return file.error();
    if (access != File_access::secret && file->size() > small_file_bytes)
        return Kept(std::move(*file));
    Result<std::string> bytes = file->read(max_file_bytes);
    return bytes ? Result<Kept>(std::move(*bytes)) : bytes.error();
}

void Kept_files::hold(const Tls_policy &policy)
{
    for (const Named_file &file : files_named_by(policy)) {
        const std::pair<std::string, File_access> wanted(file.path, file.access);
        if (!file.path.empty() && !kept_.contains(wanted))
            kept_.emplace(wanted, keep(file.path, file.access));
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
        auto found = kept_.find({file.path, file.access});
        if (found == kept_.end())
            return blame(file.path + " has not been read");
        const Result<Kept> &kept = found->second;
        if (!kept)
            return blame(kept.error().message);
        const Open_file *held = std::get_if<Open_file>(&*kept);
        Result<std::string> bytes =
            held != nullptr ? held->read(max_file_bytes) : std::get<std::string>(*kept);
        if (!bytes)
            return blame(bytes.error().message);
        if (bytes->empty())
            return blame(file.path + " is empty");
        files.*file.bytes = std::move(*bytes);
    }
    return files;
}

Result<Policy_files> read_policy_files(const Tls_policy &policy)
{
    Kept_files kept;
    kept.hold(policy);
    return kept.files_of(policy);
}

} // namespace proxymap
