// `doveadm proxymap convert`: prints what a settings file of Dovecot 2.3 is in the words of 2.4.
#include "common.h"

#include "core/conf_file.h"
#include "core/native_text.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace proxymap {

namespace {

constexpr std::size_t max_file_bytes = 1U << 20U;

int run_convert(const Arguments &arguments)
{
    const std::optional<std::string> path = arguments.text("file");
    if (!path)
        return fail(exit_usage, "convert needs a settings file of Dovecot 2.3");
    const Result<std::string> text = read_file(*path, max_file_bytes);
    if (!text)
        return fail(exit_no_input, text.error().message);
    const Result<std::string> native = format_native_settings(*text, *path);
    if (!native)
        return fail(exit_bad_config, native.error().message);
    std::fputs(native->c_str(), stdout);
    if (!flush_output())
        return fail(exit_output_failed, std::string("writing failed: ") + std::strerror(errno));
    return 0;
}

} // namespace

const Command convert_command = {
    .name = "proxymap convert",
    .usage = "<settings file>",
    .parameters = {{"file", Parameter::Type::positional}},
    .run = run_convert,
};

} // namespace proxymap
