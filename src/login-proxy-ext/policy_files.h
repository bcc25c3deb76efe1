// The files of a TLS policy, as bytes: read as root, before the login process locks itself into its
// chroot. Parses nothing, for with service_count = 1 it runs at every login (policy_material.h
// parses, on the policy's first use).
#pragma once

#include "../core/conf_file.h"
#include "../core/result.h"
#include "../core/tls_policy.h"

#include <map>
#include <string>
#include <utility>

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

// The files of all policies, each read once although several policies may name it: a system's CA
// bundle is large. Keys are overwritten when this goes.
class Kept_files {
  public:
    Kept_files() = default;
    Kept_files(Kept_files &&) = default;
    Kept_files &operator=(Kept_files &&) = delete;
    ~Kept_files();

    // Reads those that the policy names, where that has not been done.
    void read(const Tls_policy &policy);
    // A copy of what has been read. Errors name policy, setting and file. An empty file is one; so
    // is a key file that its group or others may read or write (File_access::secret).
    Result<Policy_files> files_of(const Tls_policy &policy) const;

  private:
    std::map<std::pair<std::string, File_access>, Result<std::string>> bytes_;
};

// Both in one, for one policy.
Result<Policy_files> read_policy_files(const Tls_policy &policy);

} // namespace proxymap
