// `doveadm proxymap check`: says what is wrong or risky before users notice. Changes nothing.
//
// With --config it looks at the settings alone, and says beforehand what auth would say when it
// starts, and die of: made for ExecStartPre and ExecReload. Without, it looks at all that the
// running deployment stands on (check_running.h).
#include "common.h"

#include "check_running.h"

#include "core/conf_value.h"
#include "login-proxy-ext/policy_material.h"

#include <algorithm>
#include <cstdio>
#include <ctime>

namespace proxymap {

namespace {

// What the login plugin would find on a policy's first login. Warnings are printed here.
Result<Done> check_policies_of(const std::vector<Tls_policy> &policies)
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

int check_files(const Arguments &arguments)
{
    const Result<Configuration> configuration = read_tool_configuration(arguments.text("file"));
    if (!configuration) {
        // The sentence alone: it begins with the file and the line.
        std::fprintf(stderr, "%s\n", configuration.error().message.c_str());
        return exit_bad_config;
    }
    if (const Result<Done> done = check_policies_of(configuration->settings.tls_policies); !done) {
        std::fprintf(stderr, "%s\n", done.error().message.c_str());
        return exit_bad_config;
    }
    std::printf("%s: ok\n", configuration->settings.path.c_str());
    return 0;
}

Result<Check_options> options_of(const Arguments &arguments)
{
    Check_options options;
    options.connect = !arguments.has("no-connect");
    if (const std::optional<std::string> days = arguments.text("days")) {
        const Result<std::uint32_t> number = parse_number(*days, 0, 3650);
        if (!number)
            return Error{"--days: " + number.error().message};
        options.days = *number;
    }
    if (const std::optional<std::string> timeout = arguments.text("timeout")) {
        const Result<std::uint64_t> msecs = parse_time_between(*timeout, "1s", "1h");
        if (!msecs)
            return Error{"--timeout: " + msecs.error().message};
        options.limits.all = static_cast<std::uint32_t>(*msecs);
    }
    return options;
}

bool has_our_passdb(const Running_config &config)
{
    return std::any_of(
        config.protocols.begin(), config.protocols.end(), [](const Running_protocol &protocol) {
            return std::any_of(protocol.passdbs.begin(), protocol.passdbs.end(),
                               [](const Auth_block &block) { return block.is_ours(); });
        });
}

int show(const Check_findings &findings)
{
    Rows rows("table", {"severity", "subject", "finding", "advice"});
    for (const Check_finding &finding : findings.sorted())
        rows.add({to_string(finding.severity), finding.subject, finding.finding, finding.advice});
    if (findings.has(Severity::error))
        return exit_errors_found;
    return findings.has(Severity::warning) ? exit_warnings_found : 0;
}

int check_deployment(const Arguments &arguments)
{
    if (const std::optional<std::string> file = arguments.text("file"))
        return fail(exit_usage, "check looks at the running configuration; for a settings file say "
                                "check --config " +
                                    *file);
    const Result<Check_options> options = options_of(arguments);
    if (!options)
        return fail(exit_usage, options.error().message);
    const Result<Running_config> config = read_running_config();
    if (!config)
        return fail(exit_bad_config, config.error().message);
    // Without a block of ours nothing names the settings.
    if (!has_our_passdb(*config)) {
        Check_findings findings;
        findings.error("passdb", "no passdb of any protocol has driver proxymap: nobody is routed",
                       "add one, as conf.d/90-proxymap.conf shows it");
        return show(findings);
    }
    const Result<Configuration> configuration = read_tool_configuration(std::nullopt);
    if (!configuration)
        return fail(exit_bad_config, configuration.error().message);
    return show(check_running(*configuration, *config, *options));
}

int run_check(const Arguments &arguments)
{
    return arguments.has("config") ? check_files(arguments) : check_deployment(arguments);
}

} // namespace

const Command check_command = {
    .name = "proxymap check",
    .usage = "[--no-connect] [--days <days>] [--timeout <time>] | --config [<settings file>]",
    .parameters = {{"config", Parameter::Type::flag},
                   {"no-connect", Parameter::Type::flag},
                   {"days", Parameter::Type::option},
                   {"timeout", Parameter::Type::option},
                   {"file", Parameter::Type::positional}},
    .run = run_check,
};

} // namespace proxymap
