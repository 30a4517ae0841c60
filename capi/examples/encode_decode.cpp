// The library from C++: handles that free themselves, statuses as exceptions, and a progress callback that may throw.
//
//     c++ -std=c++17 encode_decode.cpp $(pkg-config --cflags --libs flextok) -o encode_decode
//     ./encode_decode photo.ppm 512 decoded.ppm

#include <flextok.h>

#include <cstdlib>
#include <exception>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

class Error : public std::runtime_error {
public:
    Error(FlextokStatus status, const std::string &message) : std::runtime_error(message), status(status) {}
    const FlextokStatus status;
};

struct Picture {
    std::vector<std::uint8_t> pixels; // RGB without gaps
    std::uint32_t width, height;
};

class Codec {
public:
    // Called with the steps that are done and their number; false stops the work, and so does an exception.
    using Progress = std::function<bool(std::uint32_t, std::uint32_t)>;

    Codec() : handle_(flextok_codec_new()) {
        if (!handle_)
            throw std::bad_alloc();
        check(flextok_codec_set_progress(handle_.get(), &Codec::report, this));
    }
    // The callback knows this object by its address.
    Codec(const Codec &) = delete;
    Codec &operator=(const Codec &) = delete;

    void set_progress(Progress progress) { progress_ = std::move(progress); }

    std::vector<std::uint8_t> encode(const Picture &picture, std::uint64_t bytes) {
        FlextokEncodeOptions options{};
        options.bytes = bytes;
        std::uint8_t *file = nullptr;
        std::size_t size = 0;
        check(flextok_encode(handle_.get(), picture.pixels.data(), picture.pixels.size(), picture.width, picture.height,
                             0, FLEXTOK_FORMAT_RGB, &options, &file, &size));
        const std::unique_ptr<std::uint8_t, void (*)(void *)> owner(file, flextok_free);
        return {file, file + size};
    }

    Picture decode(const std::vector<std::uint8_t> &file, FlextokLook look = FLEXTOK_LOOK_DEFAULT) {
        FlextokFileInfo info{};
        if (const auto status = flextok_file_info(file.data(), file.size(), &info); status != FLEXTOK_OK)
            throw Error(status, flextok_status_text(status));
        FlextokDecodeOptions options{};
        options.look = look;
        // A header may claim any size; this one is for photos.
        if (std::uint64_t{info.width} * info.height > 100'000'000)
            throw Error(FLEXTOK_LIMIT, "more than 100 million pixels");
        Picture picture{std::vector<std::uint8_t>(std::size_t{3} * info.width * info.height), info.width, info.height};
        check(flextok_decode_into(handle_.get(), file.data(), file.size(), &options, picture.pixels.data(),
                                  picture.pixels.size(), 0, FLEXTOK_FORMAT_RGB));
        return picture;
    }

private:
    struct Free {
        void operator()(FlextokCodec *codec) const { flextok_codec_free(codec); }
    };

    // May run on a thread of the library. No exception may leave it, so it is kept for the caller's thread.
    static int report(std::uint32_t done, std::uint32_t total, void *self) noexcept {
        auto &codec = *static_cast<Codec *>(self);
        try {
            return codec.progress_ && !codec.progress_(done, total);
        } catch (...) {
            codec.thrown_ = std::current_exception();
            return 1;
        }
    }

    void check(FlextokStatus status) {
        if (auto thrown = std::exchange(thrown_, nullptr))
            std::rethrow_exception(thrown);
        if (status != FLEXTOK_OK)
            throw Error(status, flextok_codec_message(handle_.get()));
    }

    std::unique_ptr<FlextokCodec, Free> handle_;
    Progress progress_;
    std::exception_ptr thrown_;
};

Picture read_ppm(const std::string &path) {
    std::ifstream in(path, std::ios::binary);
    std::string kind;
    unsigned most = 0;
    Picture picture{{}, 0, 0};
    in >> kind >> picture.width >> picture.height >> most;
    in.get();
    if (!in || kind != "P6" || most != 255 || picture.width > 65535 || picture.height > 65535)
        throw std::runtime_error(path + " is not a PPM picture of 8 bits (P6)");
    picture.pixels.resize(std::size_t{3} * picture.width * picture.height);
    if (!in.read(reinterpret_cast<char *>(picture.pixels.data()), static_cast<std::streamsize>(picture.pixels.size())))
        throw std::runtime_error(path + " ends early");
    return picture;
}

void write_ppm(const std::string &path, const Picture &picture) {
    std::ofstream out(path, std::ios::binary);
    out << "P6\n" << picture.width << ' ' << picture.height << "\n255\n";
    out.write(reinterpret_cast<const char *>(picture.pixels.data()), static_cast<std::streamsize>(picture.pixels.size()));
    if (!out.flush())
        throw std::runtime_error(path + " cannot be written");
}

} // namespace

int main(int argc, char **argv) try {
    if (argc != 4) {
        std::cerr << "usage: " << argv[0] << " PHOTO.ppm BYTES DECODED.ppm\n";
        return 2;
    }
    const Picture photo = read_ppm(argv[1]);
    Codec codec;
    const auto file = codec.encode(photo, std::strtoull(argv[2], nullptr, 10));
    std::cout << file.size() << " bytes\n";
    codec.set_progress([](auto done, auto total) {
        std::cout << done << " of " << total << " steps\n";
        return true;
    });
    write_ppm(argv[3], codec.decode(file));

    // An exception of the callback comes out of the call that it stopped.
    codec.set_progress([](auto, auto) -> bool { throw std::out_of_range("stopped"); });
    try {
        codec.decode(file);
        std::cerr << "the exception was lost\n";
        return 1;
    } catch (const std::out_of_range &) {
    }
    return 0;
} catch (const std::exception &error) {
    std::cerr << error.what() << '\n';
    return 1;
}
