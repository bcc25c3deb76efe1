// Reads Dovecot's own settings syntax: `name = value`, `# comment`, `section NAME { ... }`.
// Knows no setting; those are in settings.h.
#pragma once

#include "result.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace proxymap {

struct Conf_entry {
    std::string name;
    std::string value; // blanks trimmed, one pair of surrounding quotes removed
    unsigned line = 0; // from 1; 0: it was not read from a file of ours
    bool operator==(const Conf_entry &) const = default;
};

struct Conf_section {
    std::string type; // tls_policy; empty for the file itself
    std::string name;
    unsigned line = 0;
    std::vector<Conf_entry> entries;
    std::vector<Conf_section> sections; // one level deep only

    bool operator==(const Conf_section &) const = default;
    const Conf_entry *find(std::string_view wanted) const; // null when not given
};

// path is for the error only: "path:line: ...". A setting given twice in one section, and two
// sections of one type and name, are errors. No error quotes a value: it may be a password.
Result<Conf_section> parse_conf(std::string_view text, const std::string &path);

// "path:line: what"; "path: what" for line 0
Error conf_error(const std::string &path, unsigned line, const std::string &what);

// What a section, and whatever else an admin names in these files, may be called.
bool is_conf_name(std::string_view name); // [A-Za-z0-9._-], 1 to 64 bytes

// The words of a value that is a list: separated by blanks. Views into it.
std::vector<std::string_view> split_words(std::string_view value);

// secret: refuses a file that its group or others may read or write, or that belongs to somebody
// else than root or the calling user.
enum class File_access : std::uint8_t { any, secret };

// A regular file, open for reading: to be checked now and read later, from wherever.
class Open_file {
  public:
    // Errors name the path and errno's text.
    static Result<Open_file> open(const std::string &path, File_access access);
    Open_file(Open_file &&other) noexcept
        : path_(std::move(other.path_)), fd_(other.fd_), size_(other.size_)
    {
        other.fd_ = -1;
    }
    Open_file &operator=(Open_file &&) = delete;
    ~Open_file();

    std::size_t size() const { return size_; } // in bytes, when it was opened
    // The whole of it, at most max_bytes. May be called again.
    Result<std::string> read(std::size_t max_bytes) const;

  private:
    Open_file(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
    Error system_error(const char *what) const;

    std::string path_;
    int fd_;
    std::size_t size_ = 0;
};

// Reads the whole regular file, at most max_bytes. Errors name the path and errno's text.
Result<std::string> read_file(const std::string &path, std::size_t max_bytes = 16U << 20U,
                              File_access access = File_access::any);

} // namespace proxymap
