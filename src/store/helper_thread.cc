// Threads for what blocks (libmemcached, name lookups). MUST never run code of Dovecot's, nor
// handle a signal.
#include "helper_thread.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <memory>
#include <pthread.h>

namespace proxymap {

namespace {

// libmemcached keeps some 10 KB of buffers on the stack, getaddrinfo() some 64 KB.
constexpr std::size_t stack_bytes = 256U << 10U;

using Body = std::function<void()>;

void *run_body(void *context)
{
    const std::unique_ptr<Body> body(static_cast<Body *>(context));
    try {
        (*body)();
    } catch (const std::exception &) {
        // Out of memory. The thread ends; whoever waits for it is answered by his deadline.
    }
    return nullptr;
}

} // namespace

Result<Done> start_helper_thread(std::function<void()> body)
{
    auto context = std::make_unique<Body>(std::move(body));
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, stack_bytes);

    // A thread inherits the mask of the one that starts it.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    const int error = pthread_create(&thread, &attributes, run_body, context.get());
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_attr_destroy(&attributes);
    if (error != 0) {
        return Error{std::string("cannot start a helper thread: ") + std::strerror(error)};
    }
    (void)context.release(); // run_body has it now
    return Done{};
}

} // namespace proxymap
