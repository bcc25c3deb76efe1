// Starts memcached by fork and exec, and waits until its socket answers.
#include "real_memcached.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CppUTest/TestHarness.h>

namespace {

bool is_installed()
{
    const char *path = std::getenv("PATH");
    std::string rest = path == nullptr ? "" : path;
    while (!rest.empty()) {
        const auto end = std::min(rest.find(':'), rest.size());
        if (access((rest.substr(0, end) + "/memcached").c_str(), X_OK) == 0) {
            return true;
        }
        rest.erase(0, end + 1);
    }
    return false;
}

int connect_to(const std::string &path)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    if (connect(fd, reinterpret_cast<const sockaddr *>(&address), sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

} // namespace

std::unique_ptr<Real_memcached> Real_memcached::start(const std::vector<std::string> &options)
{
    if (!is_installed()) {
        UT_PRINT("skipped: no memcached in PATH");
        return nullptr;
    }
    std::unique_ptr<Real_memcached> server(new Real_memcached);
    std::array<char, 32> folder = {"/tmp/proxymap-test-XXXXXX"};
    if (mkdtemp(folder.data()) == nullptr) {
        throw std::runtime_error("cannot make a folder in /tmp");
    }
    server->folder_ = folder.data();
    server->socket_ = server->folder_ + "/memcached.sock";
    server->run(options);
    return server;
}

Real_memcached::~Real_memcached()
{
    end();
    unlink(socket_.c_str());
    rmdir(folder_.c_str());
}

void Real_memcached::run(const std::vector<std::string> &options)
{
    std::vector<std::string> words = {"memcached", "-s", socket_, "-t", "1"};
    if (geteuid() == 0) {
        words.insert(words.end(), {"-u", "root"});
    }
    words.insert(words.end(), options.begin(), options.end());
    std::vector<char *> arguments;
    for (auto &word : words) {
        arguments.push_back(word.data());
    }
    arguments.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
        execvp("memcached", arguments.data());
        _exit(127);
    }
    for (;;) {
        const int fd = connect_to(socket_);
        if (fd >= 0) {
            close(fd);
            return;
        }
        if (waitpid(pid_, nullptr, WNOHANG) != 0) {
            throw std::runtime_error("memcached did not start");
        }
        poll(nullptr, 0, 1); // there is nothing to wait on but to try again
    }
}

void Real_memcached::end()
{
    if (pid_ > 0) {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }
}

void Real_memcached::restart(const std::vector<std::string> &options)
{
    end();
    unlink(socket_.c_str());
    run(options);
}

void Real_memcached::freeze()
{
    // The signal is delivered later; the server may still answer until it really stands still.
    kill(pid_, SIGSTOP);
    int status = 0;
    waitpid(pid_, &status, WUNTRACED);
}

void Real_memcached::thaw()
{
    kill(pid_, SIGCONT);
}

std::string Real_memcached::command(const std::string &lines) const
{
    const int fd = connect_to(socket_);
    const std::string text = lines + "\r\n";
    std::string reply;
    if (fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size())) {
        char buffer[4096];
        ssize_t length = 0;
        while (!reply.ends_with("END\r\n") && !reply.ends_with("STORED\r\n") &&
               !reply.ends_with("OK\r\n") && !reply.ends_with("DELETED\r\n") &&
               (length = read(fd, buffer, sizeof(buffer))) > 0) {
            reply.append(buffer, static_cast<std::size_t>(length));
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return reply;
}
