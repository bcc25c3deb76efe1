// `doveadm proxymap check`: says beforehand what a wrong configuration would make auth say when it
// starts, and die of. Changes nothing; made for ExecStartPre and ExecReload.
#include "common.h"

#include "../login-proxy-ext/policy_material.h"

#include <cstdio>
#include <ctime>

namespace proxymap {

namespace {

// What the login plugin would find on a policy's first login. Warnings are printed here.
Result<Done> check_policies(const std::vector<Tls_policy> &policies)
{
    for (const Tls_policy &policy : policies) {
        const Result<Policy_files> files = read_policy_files(policy);
        if (!files)
            return files.error();
        const Result<std::vector<std::string>> warnings =
            check_policy_files(policy, *files, std::time(nullptr));
        if (!warnings)
            return warnings.error();
        for (const std::string &warning : *warnings)
            std::fprintf(stderr, "warning: %s\n", warning.c_str());
    }
    return Done{};
}

int run_check(const Arguments &arguments)
{
    const Result<Configuration> configuration = read_tool_configuration(arguments.text("file"));
    if (!configuration) {
        // The sentence alone: it begins with the file and the line.
        std::fprintf(stderr, "%s\n", configuration.error().message.c_str());
        return exit_bad_config;
    }
    if (const Result<Done> done = check_policies(configuration->settings.tls_policies); !done) {
        std::fprintf(stderr, "%s\n", done.error().message.c_str());
        return exit_bad_config;
    }
    std::printf("%s: ok\n", configuration->settings.path.c_str());
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
