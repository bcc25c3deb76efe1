#include "fake_doveadm.h"

#include "doveadm-proxymap/doveadm_client.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

using proxymap::Fd;

struct Fake_doveadm::State {
    Answer answer;
    std::string folder, path;
    int listener = -1;
    std::atomic<bool> stop = false;
    std::atomic<bool> open = true;
    std::mutex mutex;
    std::string wanted; // the line that logs in
    std::thread thread;

    void run()
    {
        while (!stop) {
            pollfd waiting{listener, POLLIN, 0};
            if (poll(&waiting, 1, 10) <= 0)
                continue;
            Fd connection(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
            if (connection.ok() && open)
                serve(connection.get());
        }
    }

    static std::string read_line(int fd)
    {
        std::string line;
        for (char c = '\0'; read(fd, &c, 1) == 1 && c != '\n';)
            line += c;
        return line;
    }

    static void say(int fd, const std::string &text)
    {
        (void)!send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    }

    void serve(int fd)
    {
        if (read_line(fd) != "VERSION\tdoveadm-server\t1\t0")
            return;
        std::string password;
        {
            const std::scoped_lock lock(mutex);
            password = wanted;
        }
        if (!password.empty()) {
            say(fd, "-\n");
            if (read_line(fd) != password)
                return say(fd, "-\n");
        }
        say(fd, "+\n");
        const std::string line = read_line(fd);
        if (!line.empty())
            say(fd, answer(proxymap::split_tabbed(line)));
    }
};

Fake_doveadm::Fake_doveadm(Answer answer) : state_(std::make_unique<State>())
{
    state_->answer = std::move(answer);
    char folder[] = "/tmp/doveadm-XXXXXX";
    if (mkdtemp(folder) == nullptr)
        std::abort();
    state_->folder = folder;
    state_->path = state_->folder + "/server";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, state_->path.data(), state_->path.size());
    state_->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(state_->listener, reinterpret_cast<const sockaddr *>(&address), sizeof(address)) < 0 ||
        listen(state_->listener, 16) < 0)
        std::abort();
    state_->thread = std::thread([state = state_.get()] { state->run(); });
}

Fake_doveadm::~Fake_doveadm()
{
    state_->stop = true;
    state_->thread.join();
    close(state_->listener);
    unlink(state_->path.c_str());
    rmdir(state_->folder.c_str());
}

const std::string &Fake_doveadm::path() const
{
    return state_->path;
}

void Fake_doveadm::set_login(const std::string &line)
{
    const std::scoped_lock lock(state_->mutex);
    state_->wanted = line;
}

void Fake_doveadm::set_open(bool open)
{
    state_->open = open;
}

std::string Fake_doveadm::whole(const std::vector<std::string> &values)
{
    std::string text = proxymap::join_tabbed(values);
    return text + (values.empty() ? "" : "\t") + "\n+\n";
}
