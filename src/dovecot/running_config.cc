// Asks for the running configuration; see running_config.h.
#include "running_config.h"

#include "doveconf.h"

#include "../core/conf_file.h"
#include "../core/field.h"

#include "dovecot.h"

#include <dlfcn.h>
#include <filesystem>

namespace proxymap {

namespace {

// MODULEDIR, of which this file is in the folder doveadm.
std::string own_module_dir()
{
    static const int here = 0;
    Dl_info info;
    if (dladdr(&here, &info) == 0 || info.dli_fname == nullptr)
        return {};
    return std::filesystem::path(info.dli_fname).parent_path().parent_path();
}

Error not_asked()
{
    return Error{"doveconf cannot read the configuration: `doveconf -n` says why"};
}

} // namespace

Result<Running_config> read_running_config()
{
    const std::optional<std::string> printed = doveconf_output({"-a"});
    if (!printed)
        return not_asked();
    const Doveconf_block general = parse_doveconf(*printed);
    const std::string abi = DOVECOT_ABI_VERSION;
    Running_config config = make_running_config(general, !abi.starts_with("2.3."));
    config.abi = abi;
    config.module_dir = own_module_dir();
    const std::string protocols = general.value("protocols");
    for (const std::string_view word : split_words(protocols)) {
        const std::optional<Service> service = parse_service(word);
        if (!service || *service == Service::any)
            continue;
        const std::string name(to_string(*service));
        const std::optional<std::string> filtered =
            doveconf_output({"-a", "-f", "protocol=" + name});
        // 2.4.1 cannot print what a passdb block within a protocol makes of it.
        config.protocols.push_back(make_running_protocol(
            name, filtered ? parse_doveconf(*filtered) : with_protocol_block(general, name)));
    }
    return config;
}

} // namespace proxymap
