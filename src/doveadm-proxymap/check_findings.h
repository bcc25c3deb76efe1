// What `doveadm proxymap check` has to say: one row a finding, written for whoever must mend it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace proxymap {

// error: users are, or will be, turned away or let in wrongly. warning: it works, and something is
// at risk. note: to be known.
enum class Severity : std::uint8_t { error, warning, note };
std::string_view to_string(Severity severity);

struct Check_finding {
    Severity severity;
    std::string subject; // what it is about: "passdb 2 (pam)", "backend b1 imap"
    std::string finding; // one sentence, lower case
    std::string advice;  // what to do: one sentence, lower case
    bool operator==(const Check_finding &) const = default;
};

// In the order in which they were found, each once.
class Check_findings {
  public:
    void error(std::string subject, std::string finding, std::string advice)
    {
        add({Severity::error, std::move(subject), std::move(finding), std::move(advice)});
    }
    void warning(std::string subject, std::string finding, std::string advice)
    {
        add({Severity::warning, std::move(subject), std::move(finding), std::move(advice)});
    }
    void note(std::string subject, std::string finding, std::string advice)
    {
        add({Severity::note, std::move(subject), std::move(finding), std::move(advice)});
    }
    void add(Check_finding finding);

    // Errors first, then warnings, then notes.
    std::vector<Check_finding> sorted() const;
    bool has(Severity severity) const;

  private:
    std::vector<Check_finding> all_;
};

} // namespace proxymap
