#include "check_findings.h"

#include <algorithm>

namespace proxymap {

std::string_view to_string(Severity severity)
{
    switch (severity) {
    case Severity::error:
        return "error";
    case Severity::warning:
        return "warning";
    case Severity::note:
        break;
    }
    return "note";
}

// What holds for every protocol is found once for each of them.
void Check_findings::add(Check_finding finding)
{
    if (std::find(all_.begin(), all_.end(), finding) == all_.end())
        all_.push_back(std::move(finding));
}

std::vector<Check_finding> Check_findings::sorted() const
{
    std::vector<Check_finding> sorted = all_;
    std::stable_sort(
        sorted.begin(), sorted.end(),
        [](const Check_finding &a, const Check_finding &b) { return a.severity < b.severity; });
    return sorted;
}

bool Check_findings::has(Severity severity) const
{
    return std::any_of(all_.begin(), all_.end(), [severity](const Check_finding &finding) {
        return finding.severity == severity;
    });
}

} // namespace proxymap
