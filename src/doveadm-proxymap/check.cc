// `doveadm proxymap check`: says beforehand what a wrong configuration would make auth say when it
// starts, and die of. Changes nothing; made for ExecStartPre and ExecReload.
#include "common.h"

#include <cstdio>

namespace proxymap {

namespace {

int run_check(const Arguments &arguments)
{
    const std::string path = settings_path(arguments.text("file"));
    const Result<Configuration> configuration = read_configuration(path);
    if (!configuration) {
        // The sentence alone: it begins with the file and the line.
        std::fprintf(stderr, "%s\n", configuration.error().message.c_str());
        return exit_bad_config;
    }
    std::printf("%s: ok\n", path.c_str());
    return 0;
}

} // namespace

const Command check_command = {
    .name = "proxymap check",
    .usage = "--config [<settings file>]",
    .parameters = {{"config", Parameter::Type::flag}, {"file", Parameter::Type::positional}},
    .run = run_check,
};

} // namespace proxymap
