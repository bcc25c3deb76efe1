// See expand.h. Must never let a login name change what else a field says: the client chose it.
#include "expand.h"

#include "text.h"

#include <algorithm>
#include <array>
#include <utility>

namespace proxymap {

std::string_view username_of(std::string_view user)
{
    return user.substr(0, user.find('@'));
}

std::string_view domain_of(std::string_view user)
{
    std::size_t at = user.find('@');
    return at == std::string_view::npos ? std::string_view() : user.substr(at + 1);
}

Result<std::string> expand(std::string_view value, const Login &login)
{
    const std::array<std::pair<std::string_view, std::string_view>, 5> variables = {{
        {"%{user}", login.user},
        {"%{username}", username_of(login.user)},
        {"%{domain}", domain_of(login.user)},
        {"%{service}", to_string(login.service)},
        {"%%", "%"},
    }};

    std::string expanded;
    while (!value.empty()) {
        std::size_t percent = std::min(value.find('%'), value.size());
        expanded += value.substr(0, percent);
        value.remove_prefix(percent);
        if (value.empty())
            break;
        const auto *variable =
            std::find_if(variables.begin(), variables.end(),
                         [&](const auto &candidate) { return value.starts_with(candidate.first); });
        if (variable == variables.end())
            return Error{"holds a % that is none of %{user}, %{username}, %{domain}, %{service} "
                         "and %%"};
        expanded += variable->second;
        value.remove_prefix(variable->first.size());
        if (expanded.size() > max_value_bytes)
            break; // four bytes of value may stand for 512
    }
    // Checked again: the record's own value was, but not with a client's words in it.
    if (expanded.size() > max_value_bytes)
        return Error{"expands to more than the " + std::to_string(max_value_bytes) +
                     " bytes that are allowed"};
    if (std::any_of(expanded.begin(), expanded.end(), is_control))
        return Error{"expands to something with a control character"};
    return expanded;
}

} // namespace proxymap
