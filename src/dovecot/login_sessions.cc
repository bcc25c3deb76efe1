// What login_sessions.h does alike on each branch of Dovecot.
#include "login_sessions.h"

#include <unistd.h>

extern "C" {
#include <lib.h>

#include <net.h>

#include <doveadm-settings.h>
}

namespace proxymap {

void start_auth()
{
    T_BEGIN
    {
        // Whoever connects has auth started; nothing need be said.
        const int fd =
            net_connect_unix(t_strconcat(doveadm_settings->base_dir, "/auth-userdb", NULL));
        if (fd >= 0)
            close(fd);
    }
    T_END;
}

} // namespace proxymap
