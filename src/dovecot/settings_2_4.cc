// Where the settings stand on Dovecot 2.4; see settings_source.h.
#include "settings_source.h"

#include "native_settings.h"

#include "dovecot.h"

extern "C" {
#include <master-service.h>
}

namespace proxymap {

namespace {

// block: empty for what stands outside of passdb blocks.
Result<Settings> read_block(const std::string &block)
{
    Result<Conf_section> native =
        read_native_passdb_settings(master_service_get_event(master_service), block);
    if (!native)
        return native.error();
    return make_settings(*native, native_settings_path);
}

} // namespace

Result<Settings> read_tool_settings(const std::optional<std::string> &named)
{
    if (named)
        return read_settings(*named);
    Result<std::vector<std::string>> blocks =
        find_native_passdbs(master_service_get_event(master_service));
    if (!blocks)
        return blocks.error();
    return read_block(blocks->empty() ? "" : blocks->front());
}

Result<Settings> read_login_process_settings()
{
    return read_block("");
}

} // namespace proxymap
