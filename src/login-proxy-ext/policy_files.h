// The files of a TLS policy, as bytes: opened as root, before the login process locks itself into
// its chroot. Parses nothing, for with service_count = 1 it runs at every login (policy_material.h
// parses, on the policy's first use).
#pragma once

#include "../core/conf_file.h"
#include "../core/result.h"
#include "../core/tls_policy.h"

#include <map>
#include <string>
#include <utility>
#include <variant>

namespace proxymap {

// PEM; empty where the policy names no file. The key's bytes are overwritten when it goes.
struct Policy_files {
    std::string ca;
    std::string crl;
    std::string certificate;
    std::string key;

    Policy_files() = default;
    Policy_files(const Policy_files &) = default;
    Policy_files &operator=(const Policy_files &) = default;
    Policy_files(Policy_files &&) = default;
    Policy_files &operator=(Policy_files &&) = default;
    ~Policy_files();
};

// The files of all policies, each held once although several policies may name it. A large one (a
// system's CA bundle) is held open and read when a login needs it, for reading it costs a process
// that serves one login more than all the rest of this. Keys are overwritten when this goes.
class Kept_files {
  public:
    Kept_files() = default;
    Kept_files(Kept_files &&) = default;
    Kept_files &operator=(Kept_files &&) = delete;
    ~Kept_files();

    // Those that the policy names, where that has not been done.
    void hold(const Tls_policy &policy);
    // What they say; a file that was replaced meanwhile (by renaming another one) is not seen.
    // Errors name policy, setting and file. An empty file is one; so is a key file that its group
    // or others may read or write (File_access::secret).
    Result<Policy_files> files_of(const Tls_policy &policy) const;

  private:
    using Kept = std::variant<Open_file, std::string>; // its bytes: of a small or secret one
    static Result<Kept> keep(const std::string &path, File_access access);

    std::map<std::pair<std::string, File_access>, Result<Kept>> kept_;
};

// Both in one, for one policy.
Result<Policy_files> read_policy_files(const Tls_policy &policy);

} // namespace proxymap
