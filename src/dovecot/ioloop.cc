// Dovecot's ioloop as the stores' Loop. Knows nothing of stores or of auth.
//
// MUST: nothing is thrown into Dovecot's C code, and a callback may destroy the watch that called
// it.
#include "ioloop.h"

#include <exception>
#include <utility>

extern "C" {
#include <lib.h>

#include <ioloop.h>
}

namespace proxymap {

namespace {

// What a watch and its running callback share: the callback stays whole until it has returned, even
// when it destroys its watch.
struct Callback_frame {
    explicit Callback_frame(Loop::Callback to_call) : callback(std::move(to_call)) {}
    Loop::Callback callback;
};

void run(const std::shared_ptr<Callback_frame> &frame)
{
    T_BEGIN
    {
        try {
            frame->callback();
        } catch (const std::exception &error) {
            i_error("proxymap: unexpected in an event callback: %s", error.what());
        } catch (...) {
            i_error("proxymap: unexpected in an event callback");
        }
    }
    T_END;
}

class Io_watch final : public Loop::Watch {
  public:
    Io_watch(struct ioloop *loop, int fd, Loop::Callback callback)
        : frame_(std::make_shared<Callback_frame>(std::move(callback))),
          io_(io_add_to(loop, fd, IO_READ, on_readable, this))
    {
    }
    ~Io_watch() override { io_remove(&io_); }
    Io_watch(const Io_watch &) = delete;
    Io_watch &operator=(const Io_watch &) = delete;

  private:
    static void on_readable(Io_watch *watch) noexcept
    {
        const std::shared_ptr<Callback_frame> frame = watch->frame_;
        run(frame);
    }

    std::shared_ptr<Callback_frame> frame_;
    struct io *io_;
};

class Timeout_watch final : public Loop::Watch {
  public:
    Timeout_watch(struct ioloop *loop, std::uint32_t msecs, Loop::Callback callback)
        : frame_(std::make_shared<Callback_frame>(std::move(callback))),
          timeout_(timeout_add_short_to(loop, msecs, on_time, this))
    {
    }
    ~Timeout_watch() override { timeout_remove(&timeout_); }
    Timeout_watch(const Timeout_watch &) = delete;
    Timeout_watch &operator=(const Timeout_watch &) = delete;

  private:
    static void on_time(Timeout_watch *watch) noexcept
    {
        // Dovecot's timeouts repeat; ours come once.
        timeout_remove(&watch->timeout_);
        const std::shared_ptr<Callback_frame> frame = watch->frame_;
        run(frame);
    }

    std::shared_ptr<Callback_frame> frame_;
    struct timeout *timeout_;
};

class Dovecot_loop final : public Loop {
  public:
    std::unique_ptr<Watch> when_readable(int fd, Callback callback) override
    {
        return std::make_unique<Io_watch>(loop_, fd, std::move(callback));
    }
    std::unique_ptr<Watch> after(std::uint32_t msecs, Callback callback) override
    {
        return std::make_unique<Timeout_watch>(loop_, msecs, std::move(callback));
    }

  private:
    struct ioloop *loop_ = current_ioloop;
};

} // namespace

std::unique_ptr<Loop> make_ioloop()
{
    return std::make_unique<Dovecot_loop>();
}

} // namespace proxymap
