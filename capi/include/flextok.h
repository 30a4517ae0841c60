/*
 * The flextok image codec: a photo in a kilobyte, in files that may be cut anywhere.
 *
 * Handles (FlextokCodec, FlextokDecoder) serve one call at a time; a second one at the same time returns FLEXTOK_BUSY.
 * Different handles may be used by different threads at once. Functions return FLEXTOK_OK or what went wrong, and the
 * handle has a line of text about it. Null pointers, sizes, strides, formats and options are checked; what cannot be
 * checked is said under "Safety": that pointers point to as many bytes as is said, and that handles are not used after
 * they were freed.
 *
 * Options grow without breaking programs: set a structure to zero, then what you need. What this library does not know
 * is refused, not ignored.
 *
 * A library built with fewer features has fewer functions. Without any: the versions, flextok_status_text, flextok_file_info,
 * flextok_truncate, flextok_packets_* and flextok_joiner_*, which need neither an allocator nor the standard library of Rust.
 * `plain` adds flextok_plain_decode; `codec` all others but flextok_encode, which is `encode`. `learned` and `networks` add
 * no functions: without the first, pictures of coded files are plain; without the second, models of FlexTok are refused.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#ifndef FLEXTOK_H
#define FLEXTOK_H

/* Made by cbindgen of the crate flextok-capi: change the crate, not this file. */
#define FLEXTOK_MAJOR 0
#define FLEXTOK_MINOR 1
#define FLEXTOK_PATCH 0


#include <stddef.h>
#include <stdint.h>

/**
 * What became of a call.
 */
typedef enum {
  /**
   * All went well.
   */
  FLEXTOK_OK = 0,
  /**
   * The push decoder has nothing to show yet: feed it more bytes.
   */
  FLEXTOK_NEED_MORE = 1,
  /**
   * An argument is impossible: change the call.
   */
  FLEXTOK_USAGE = 2,
  /**
   * The file is not one of flextok's, or damaged: get it again.
   */
  FLEXTOK_CORRUPT = 3,
  /**
   * The model is missing, unusable, or not the one that made the file: set another.
   */
  FLEXTOK_MODEL = 4,
  /**
   * A limit was exceeded: raise it if the input is trusted.
   */
  FLEXTOK_LIMIT = 5,
  /**
   * The file needs a newer version of this library.
   */
  FLEXTOK_UNSUPPORTED = 6,
  /**
   * The operating system refused.
   */
  FLEXTOK_IO = 7,
  /**
   * A GPU is missing or fails.
   */
  FLEXTOK_DEVICE = 8,
  /**
   * There is not enough memory, or no more threads.
   */
  FLEXTOK_RESOURCES = 9,
  /**
   * The progress callback asked to stop.
   */
  FLEXTOK_CANCELLED = 10,
  /**
   * The handle is in use by another call: give each thread a handle of its own.
   */
  FLEXTOK_BUSY = 11,
  /**
   * A defect of this library: report it.
   */
  FLEXTOK_INTERNAL = 70,
} FlextokStatus;

/**
 * The canvas of which `FlextokEncodeOptions.canvas` chooses the size.
 */
typedef enum {
  /**
   * What suits the bytes.
   */
  FLEXTOK_CANVAS_AUTO = 0,
  /**
   * The picture's own size. The numbers 1 to 255 mean so many blocks of 32 pixels along the long side.
   */
  FLEXTOK_CANVAS_OWN = 256,
} FlextokCanvas;

/**
 * How a pixel is stored, in sRGB.
 */
typedef enum {
  /**
   * Three bytes: red, green, blue.
   */
  FLEXTOK_FORMAT_RGB = 3,
  /**
   * Four bytes: red, green, blue, alpha, which is not multiplied into them.
   */
  FLEXTOK_FORMAT_RGBA = 4,
} FlextokFormat;

/**
 * How a FlexTok model follows its tokens.
 */
typedef enum {
  /**
   * As the model does by itself.
   */
  FLEXTOK_GUIDANCE_DEFAULT = 0,
  /**
   * Classifier-free guidance, with the scale in `FlextokDecodeOptions.guidance_scale`.
   */
  FLEXTOK_GUIDANCE_CFG = 1,
  /**
   * Adaptive projected guidance, with the same scale.
   */
  FLEXTOK_GUIDANCE_APG = 2,
} FlextokGuidance;

/**
 * A bound that `flextok_codec_set_limit` sets. Exceeding one is FLEXTOK_LIMIT, before memory is taken for it.
 */
typedef enum {
  /**
   * Pixels of a picture, encoded or restored; 134217728 (2^27) by default.
   */
  FLEXTOK_LIMIT_PIXELS = 0,
  /**
   * Longest side of a picture in pixels; 1048576 by default, the most that the format has.
   */
  FLEXTOK_LIMIT_SIDE = 1,
  /**
   * Bytes of payload of a file; 32 MiB by default.
   */
  FLEXTOK_LIMIT_PAYLOAD_BYTES = 2,
  /**
   * Bytes of metadata of a file; 1 MiB by default.
   */
  FLEXTOK_LIMIT_METADATA_BYTES = 3,
  /**
   * Bytes of memory for the canvas of a picture; 1 GiB by default.
   */
  FLEXTOK_LIMIT_MEMORY = 4,
  /**
   * Bytes of memory for the work of the learned decoder, which divides larger pictures; 256 MiB by default.
   */
  FLEXTOK_LIMIT_TILE_MEMORY = 5,
  /**
   * Pixels of the canvas of a FlexTok model; 2097152 (2^21) by default.
   */
  FLEXTOK_LIMIT_CANVAS_PIXELS = 6,
  /**
   * Steps of a decode by a FlexTok model; 1000 by default.
   */
  FLEXTOK_LIMIT_STEPS = 7,
} FlextokLimit;

/**
 * What becomes of the digits of a coded file, such as the built-in model makes.
 */
typedef enum {
  /**
   * What the model does by itself: halfway between faithful and sharp.
   */
  FLEXTOK_LOOK_DEFAULT = 0,
  /**
   * The digits alone, ten times as fast.
   */
  FLEXTOK_LOOK_PLAIN = 1,
  /**
   * The learned decoder for the least squared error.
   */
  FLEXTOK_LOOK_FAITHFUL = 2,
  /**
   * The learned decoder for sharpness.
   */
  FLEXTOK_LOOK_SHARP = 3,
  /**
   * The learned decoder between them, as `FlextokDecodeOptions.sharpness` says.
   */
  FLEXTOK_LOOK_BETWEEN = 4,
} FlextokLook;

/**
 * A text of a file.
 */
typedef enum {
  /**
   * Title of the picture.
   */
  FLEXTOK_TEXT_TITLE = 0,
  /**
   * When the picture was taken: RFC 3339, not checked.
   */
  FLEXTOK_TEXT_CAPTURE_TIME = 1,
  /**
   * Name of the program that made the file.
   */
  FLEXTOK_TEXT_ENCODER = 2,
  /**
   * Name of the colour profile of the picture that was encoded.
   */
  FLEXTOK_TEXT_COLOR_PROFILE = 3,
} FlextokText;

/**
 * A model and what it is used with. Made by `flextok_codec_new`, ended by `flextok_codec_free`. It serves one call at a
 * time and may go from thread to thread; threads that work at the same time take one each (`flextok_codec_clone`). A codec
 * that has been used does not work in a forked child process.
 */
typedef struct FlextokCodec FlextokCodec;

/**
 * A file while it arrives. Made by `flextok_decoder_new`, ended by `flextok_decoder_free`. It serves one call at a time, may
 * go from thread to thread, and may outlive the codec that it was made from.
 */
typedef struct FlextokDecoder FlextokDecoder;

/**
 * What a file says about itself.
 */
typedef struct {
  /**
   * Width in pixels of the picture that a decoder restores.
   */
  uint32_t width;
  /**
   * Height in pixels.
   */
  uint32_t height;
  /**
   * 1: the payload is coded, as the built-in model's; 0: token ids of a FlexTok model.
   */
  uint32_t coded;
  /**
   * Number of the tables of a coded payload, 1 for the built-in model's; 0 where `model` names them, or the network.
   */
  uint32_t tables;
  /**
   * Fingerprint of the model, where `tables` is 0.
   */
  uint8_t model[4];
  /**
   * 1 if the file has its end, 0 if it is truncated, which is no fault.
   */
  uint32_t complete;
  /**
   * Bytes of payload that the header declares.
   */
  uint64_t payload_declared;
  /**
   * Bytes of payload that are there.
   */
  uint64_t payload;
  /**
   * Bytes of payload that a check proves.
   */
  uint64_t payload_proven;
} FlextokFileInfo;

/**
 * The packets of a file. `flextok_packets_init` fills it; the file stays where it is while it is used.
 */
typedef struct {
  /**
   * Packets of the file, 1 to 65 536.
   */
  uint32_t count;
  /**
   * Of the library.
   */
  uint32_t reserved;
  /**
   * Bytes of all packets together.
   */
  uint64_t bytes;
  /**
   * Of the library.
   */
  uint64_t state[8];
} FlextokPackets;

/**
 * Joins packets of one file. `flextok_joiner_init` fills it; the buffers stay where they are while it is used.
 */
typedef struct {
  /**
   * Of the library.
   */
  uint64_t state[16];
} FlextokJoiner;

/**
 * What has been joined so far.
 */
typedef struct {
  /**
   * Bytes of the file before the first missing packet: they stand at the start of the buffer, and decode.
   */
  uint64_t bytes;
  /**
   * Packets that are there.
   */
  uint32_t packets;
  /**
   * Packets of the file; 0 while the last one has not arrived.
   */
  uint32_t total;
  /**
   * Number of the first missing packet, which is `total` if the file is complete.
   */
  uint32_t first_missing;
  /**
   * 1 if the file is complete.
   */
  uint32_t complete;
} FlextokJoined;

/**
 * Called while an encode or a decode works, with the pointer that was given with it. The first call is 0 of 1, before any
 * work; the last is `total` of `total`. Between them a decode calls behind each step of a FlexTok model and each tile or part of
 * a large picture, and `total` may be larger. Work that is short has the two calls only: encodes, plain pictures, and pictures
 * of a single tile. Anything but 0 stops the work: it returns FLEXTOK_CANCELLED, also after the last call.
 *
 * It may be called on a thread of the library, but for one handle never twice at once; a codec, its clones and its decoders
 * have the same `user`, and may call at the same time. It must return: it neither throws nor jumps out. A call with the handle
 * that is working returns FLEXTOK_BUSY.
 */
typedef int (*FlextokProgress)(uint32_t done, uint32_t total, void *user);

/**
 * How a file is decoded. All zero is the default: `FlextokDecodeOptions options = {0};`
 */
typedef struct {
  /**
   * One of FLEXTOK_LOOK_PLAIN and the like. Coded files.
   */
  uint32_t look;
  /**
   * With FLEXTOK_LOOK_BETWEEN: 0 is faithful, 1 is sharp. Else 0.
   */
  float sharpness;
  /**
   * 1: of a damaged file, use what a check proves; 0: refuse it. A decoder that is fed always shows what is proven.
   */
  uint32_t salvage;
  /**
   * Most tokens to use; 0 is all. FlexTok models.
   */
  uint32_t tokens;
  /**
   * Steps; 0 is what the model does by itself. FlexTok models.
   */
  uint32_t steps;
  /**
   * One of FLEXTOK_GUIDANCE_DEFAULT and the like. FlexTok models.
   */
  uint32_t guidance;
  /**
   * Scale of a guidance that is not the default: 1 is none. Else 0.
   */
  float guidance_scale;
  /**
   * Seed of the noise; 0 is the default. FlexTok models.
   */
  uint64_t seed;
  /**
   * For later versions; zero.
   */
  uint64_t reserved[4];
} FlextokDecodeOptions;

/**
 * A decoded picture, which `flextok_image_free` frees.
 */
typedef struct {
  /**
   * The pixels, row by row.
   */
  uint8_t *pixels;
  /**
   * Bytes of them all.
   */
  size_t size;
  /**
   * Bytes from one row to the next.
   */
  size_t stride;
  /**
   * Pixels of a row.
   */
  uint32_t width;
  /**
   * Rows.
   */
  uint32_t height;
  /**
   * FLEXTOK_FORMAT_RGB or FLEXTOK_FORMAT_RGBA.
   */
  uint32_t format;
  /**
   * For later versions; zero.
   */
  uint32_t reserved;
} FlextokImage;

/**
 * What has arrived at a decoder. A unit of payload is a byte of a coded file, or a token of a FlexTok model's.
 */
typedef struct {
  /**
   * Width of the picture in pixels; 0 before the header has arrived.
   */
  uint32_t width;
  /**
   * Height of the picture in pixels; 0 before the header has arrived.
   */
  uint32_t height;
  /**
   * Units that the next picture shows.
   */
  uint64_t units;
  /**
   * Units that a check proves.
   */
  uint64_t proven;
  /**
   * Units that the file has in all; 0 before the header has arrived.
   */
  uint64_t total;
  /**
   * 1 if the file has arrived to its end, undamaged; else 0.
   */
  uint32_t complete;
  /**
   * 1 if `flextok_decoder_feed` or `flextok_decoder_finish` failed: what comes later is of no use. Else 0.
   */
  uint32_t failed;
  /**
   * For later versions; zero.
   */
  uint64_t reserved[2];
} FlextokArrived;

/**
 * How a picture is encoded. All zero is the default: `FlextokEncodeOptions options = {0};`
 */
typedef struct {
  /**
   * Most bytes of the file, metadata included; 0 is 1024 and the metadata, or of a FlexTok model all tokens.
   */
  uint64_t bytes;
  /**
   * For a later cut of the file: most bytes of the cut, for which the canvas is chosen; 0 is no cut. Built-in model.
   */
  uint64_t cut_at;
  /**
   * Number of tokens instead of bytes; 0 is what `bytes` says. FlexTok models.
   */
  uint32_t tokens;
  /**
   * A number of blocks, or FLEXTOK_CANVAS_AUTO or FLEXTOK_CANVAS_OWN. Built-in model.
   */
  uint32_t canvas;
  /**
   * Width and height of the canvas in pixels; 0 and 0 are the model's own. FlexTok models.
   */
  uint32_t canvas_width;
  /**
   * See `canvas_width`.
   */
  uint32_t canvas_height;
  /**
   * 1: take the centre of the picture that has the canvas's aspect; 0: all of it. FlexTok models.
   */
  uint32_t crop;
  /**
   * Colour behind transparent pixels: red, green, blue, 255. All zero is white; black is 0, 0, 0, 255.
   */
  uint8_t background[4];
  /**
   * Title to store, UTF-8; null is none.
   */
  const char *title;
  /**
   * When the picture was taken, as RFC 3339 has it, to store, UTF-8; null is none.
   */
  const char *capture_time;
  /**
   * Name of the program that makes the file, to store, UTF-8; null is none.
   */
  const char *encoder;
  /**
   * For later versions; zero.
   */
  uint64_t reserved[4];
} FlextokEncodeOptions;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The library's version as a number: major, minor and patch in a byte each, `0x010203` of 1.2.3.
 */
uint32_t flextok_version(void);

/**
 * The library's version as text, such as `1.2.3`.
 */
const char *flextok_version_text(void);

/**
 * Reads what a file says about itself, and checks all of it: `FLEXTOK_CORRUPT` if it is damaged. A beginning of the file will
 * do, from its first 33 bytes. No limits apply: a file may claim any size up to 1048576 x 1048576 pixels, whose bytes do not fit
 * 32 bits.
 *
 * # Safety
 * `file` points to `file_size` bytes; `info` points to a place for it.
 */
FlextokStatus flextok_file_info(const uint8_t *file,
                                size_t file_size,
                                FlextokFileInfo *info);

/**
 * Cuts a file to at most `bytes` bytes, without its metadata, into `capacity` bytes at `cut`; `*cut_size` receives the size.
 * What results is a complete file of a coarser picture. `capacity` has to be as large as `bytes` or the file, whichever is
 * less. Nothing is written if the file is damaged, or nothing of it fits.
 *
 * # Safety
 * `file` points to `file_size` bytes; `cut` points to `capacity` bytes; `cut_size` points to a place for a size.
 */
FlextokStatus flextok_truncate(const uint8_t *file,
                               size_t file_size,
                               uint64_t bytes,
                               uint8_t *cut,
                               size_t capacity,
                               size_t *cut_size);

/**
 * Divides a file, complete or cut, into packets of at most `packet_bytes` bytes, 9 to 65 535, for a link that may lose or
 * damage packets or change their order. 8 or 9 bytes of each are not the file's; FLEXTOK_USAGE if
 * the file would need more than 65 536.
 *
 * # Safety
 * `packets` points to a place for it; `file` points to `file_size` bytes that do not change while `packets` is used.
 */
FlextokStatus flextok_packets_init(FlextokPackets *packets,
                                   const uint8_t *file,
                                   size_t file_size,
                                   size_t packet_bytes);

/**
 * Writes packet number `number`, from 0, into `capacity` bytes at `packet`; `*packet_size` receives its size.
 *
 * # Safety
 * `packets` was filled by `flextok_packets_init`, and the file is where it was; `packet` points to `capacity` bytes, none of them
 * of the file; `packet_size` points to a place for a size.
 */
FlextokStatus flextok_packets_write(const FlextokPackets *packets,
                                    uint32_t number,
                                    uint8_t *packet,
                                    size_t capacity,
                                    size_t *packet_size);

/**
 * Begins to join the packets of one file in `capacity` bytes at `buffer`, with a map of a bit for each packet in `map_size`
 * bytes at `map`. Where they are too short for the file, its beginning is joined.
 *
 * # Safety
 * `joiner` points to a place for it; `buffer` and `map` point to as many bytes as is said, which nothing else changes while
 * `joiner` is used.
 */
FlextokStatus flextok_joiner_init(FlextokJoiner *joiner,
                                  uint8_t *buffer,
                                  size_t capacity,
                                  uint8_t *map,
                                  size_t map_size);

/**
 * Takes a packet as it arrived. One that came before, or for which there is no room, changes nothing; `FLEXTOK_CORRUPT` if it
 * is damaged, of another file, or contradicts those before it, which stay.
 *
 * # Safety
 * `joiner` was filled by `flextok_joiner_init`; `packet` points to `packet_size` bytes.
 */
FlextokStatus flextok_joiner_add(FlextokJoiner *joiner,
                                 const uint8_t *packet,
                                 size_t packet_size);

/**
 * What has been joined so far.
 *
 * # Safety
 * `joiner` was filled by `flextok_joiner_init`; `joined` points to a place for it.
 */
FlextokStatus flextok_joiner_state(FlextokJoiner *joiner, FlextokJoined *joined);

/**
 * Ends the joining: `*file_size` receives the bytes of the file at the start of the buffer, up to the first missing packet.
 * `FLEXTOK_CORRUPT` if the packets are all there but of different files. The joiner is of no use afterwards.
 *
 * # Safety
 * `joiner` was filled by `flextok_joiner_init`; `file_size` points to a place for a size.
 */
FlextokStatus flextok_joiner_finish(FlextokJoiner *joiner,
                                    size_t *file_size);

/**
 * Decodes a file of the built-in model, whole or cut, to its plain picture in `pixels_size` bytes at `pixels`, with `stride`
 * bytes from one row to the next (0: no gaps). `flextok_file_info` says the size beforehand. `memory` is the most bytes to take
 * for the canvas, about 24 for each of its pixels; 0 is 1 GiB. The only other bound is `pixels_size`: the picture is made beside
 * `pixels` first. After a failure the pixels are unchanged; too small a place fails before any work.
 *
 * # Safety
 * `file` points to `file_size` bytes; `pixels` points to `pixels_size` bytes.
 */
FlextokStatus flextok_plain_decode(const uint8_t *file,
                                   size_t file_size,
                                   uint64_t memory,
                                   uint8_t *pixels,
                                   size_t pixels_size,
                                   size_t stride,
                                   uint32_t format);

/**
 * Frees what a function of this library allocated: files and texts. Null is allowed.
 *
 * # Safety
 * `data` is null, or came from a function that says so and was not freed before.
 */
void flextok_free(void *data);

/**
 * Makes a codec with the built-in model. Null if there is no memory.
 */
FlextokCodec *flextok_codec_new(void);

/**
 * Makes a codec for another thread, with the same model and settings. An open model, its weights and its threads are
 * shared, so that a clone costs little. `*clone` receives it; null after a failure.
 *
 * # Safety
 * `codec` is null or a codec; `clone` is null or a place for a pointer.
 */
FlextokStatus flextok_codec_clone(FlextokCodec *codec, FlextokCodec **clone);

/**
 * Ends a codec. Null is allowed. Decoders made from it live on.
 *
 * # Safety
 * `codec` is null or a codec, which nothing uses any more.
 */
void flextok_codec_free(FlextokCodec *codec);

/**
 * A line about the failure of the last call with this codec, UTF-8, empty after a success. It lives until the next call
 * with it.
 *
 * # Safety
 * `codec` is null or a codec.
 */
const char *flextok_codec_message(const FlextokCodec *codec);

/**
 * Opens the model now instead of at its first use, to learn early whether it can be used.
 *
 * # Safety
 * `codec` is null or a codec.
 */
FlextokStatus flextok_codec_open(FlextokCodec *codec);

/**
 * Takes the model in a file, a checkpoint of FlexTok, or the built-in one if `path` is null. The path is UTF-8 on Windows, and
 * the bytes of a path elsewhere. The file is mapped: nothing may change it while a codec has it.
 *
 * # Safety
 * `codec` is null or a codec; `path` is null or a text that ends with a zero byte.
 */
FlextokStatus flextok_codec_set_model(FlextokCodec *codec,
                                      const char *path);

/**
 * Takes the model whose safetensors file is `size` bytes at `data`. They are copied, and once more when it is opened.
 *
 * # Safety
 * `codec` is null or a codec; `data` is null or points to `size` bytes.
 */
FlextokStatus flextok_codec_set_model_bytes(FlextokCodec *codec, const uint8_t *data, size_t size);

/**
 * Sets the number of threads that the library computes on, 0 to 1024: 0, the default, is one for each core. Results do not
 * depend on it.
 *
 * # Safety
 * `codec` is null or a codec.
 */
FlextokStatus flextok_codec_set_threads(FlextokCodec *codec,
                                        uint32_t threads);

/**
 * Sets a bound on what is accepted; `limit` is one of FLEXTOK_LIMIT_PIXELS and the like.
 *
 * # Safety
 * `codec` is null or a codec.
 */
FlextokStatus flextok_codec_set_limit(FlextokCodec *codec, uint32_t limit, uint64_t value);

/**
 * Calls `callback` with `user` while later encodes and decodes with this codec work, and in decoders and clones made from it
 * later, which keep it. Null ends it for this codec.
 *
 * # Safety
 * `codec` is null or a codec; `callback` is null or a function that may be called from any thread for as long as the codec,
 * its clones and its decoders live.
 */
FlextokStatus flextok_codec_set_progress(FlextokCodec *codec,
                                         FlextokProgress callback,
                                         void *user);

/**
 * Decodes a file, whole or cut, to pixels in `format` (FLEXTOK_FORMAT_RGB or FLEXTOK_FORMAT_RGBA, opaque). `options` may be
 * null. `*image` receives the picture, which `flextok_image_free` frees; all zero after a failure.
 *
 * # Safety
 * `codec` is null or a codec; `file` is null or points to `file_size` bytes; `options` is null or points to options; `image`
 * is null or a place for an image.
 */
FlextokStatus flextok_decode(FlextokCodec *codec,
                             const uint8_t *file,
                             size_t file_size,
                             const FlextokDecodeOptions *options,
                             uint32_t format,
                             FlextokImage *image);

/**
 * Decodes a file, whole or cut, into `pixels_size` bytes at `pixels`, with `stride` bytes from one row to the next (0: no
 * gaps), of which only pixels are written. `flextok_file_info` says the size of the picture beforehand. After a failure the
 * bytes are as they were; too small a place fails before any work.
 *
 * # Safety
 * `codec` is null or a codec; `file` is null or points to `file_size` bytes; `options` is null or points to options; `pixels`
 * is null or points to `pixels_size` bytes, other ones than the file's.
 */
FlextokStatus flextok_decode_into(FlextokCodec *codec,
                                  const uint8_t *file,
                                  size_t file_size,
                                  const FlextokDecodeOptions *options,
                                  uint8_t *pixels,
                                  size_t pixels_size,
                                  size_t stride,
                                  uint32_t format);

/**
 * Makes a decoder of one file that arrives in pieces. `options` may be null. `*decoder` receives it; null after a failure. It
 * keeps the model, the limits, the threads and the callback that the codec has now.
 *
 * # Safety
 * `codec` is null or a codec; `options` is null or points to options; `decoder` is null or a place for a pointer.
 */
FlextokStatus flextok_decoder_new(FlextokCodec *codec,
                                  const FlextokDecodeOptions *options,
                                  FlextokDecoder **decoder);

/**
 * Ends a decoder. Null is allowed. Pictures that it made live on.
 *
 * # Safety
 * `decoder` is null or a decoder, which nothing uses any more.
 */
void flextok_decoder_free(FlextokDecoder *decoder);

/**
 * A line about the failure of the last call with this decoder, UTF-8, empty after a success. It lives until the next call
 * with it.
 *
 * # Safety
 * `decoder` is null or a decoder.
 */
const char *flextok_decoder_message(const FlextokDecoder *decoder);

/**
 * Decodes later pictures with other options, such as a plain look while bytes arrive and the default at the end. `options`
 * may be null. The number of tokens stays that of `flextok_decoder_new`, unless the new one is smaller.
 *
 * # Safety
 * `decoder` is null or a decoder; `options` is null or points to options.
 */
FlextokStatus flextok_decoder_set_options(FlextokDecoder *decoder,
                                          const FlextokDecodeOptions *options);

/**
 * Takes the next bytes of the file, any number of them, and decodes nothing. A failure stays: bytes that are damaged, or a
 * file that this codec cannot decode. What was proven before it can still be shown.
 *
 * # Safety
 * `decoder` is null or a decoder; `data` is null or points to `size` bytes.
 */
FlextokStatus flextok_decoder_feed(FlextokDecoder *decoder,
                                   const uint8_t *data,
                                   size_t size);

/**
 * Says what has arrived so far. `*arrived` receives it.
 *
 * # Safety
 * `decoder` is null or a decoder; `arrived` is null or a place for it.
 */
FlextokStatus flextok_decoder_arrived(FlextokDecoder *decoder, FlextokArrived *arrived);

/**
 * Decodes what has arrived so far to pixels in `format`; FLEXTOK_NEED_MORE if that is nothing yet, or after a failure of
 * `flextok_decoder_feed` or `flextok_decoder_finish` that failure. `*image` receives the picture, which `flextok_image_free`
 * frees; all zero after a failure. The same payload is not decoded twice.
 *
 * # Safety
 * `decoder` is null or a decoder; `image` is null or a place for an image.
 */
FlextokStatus flextok_decoder_picture(FlextokDecoder *decoder,
                                      uint32_t format,
                                      FlextokImage *image);

/**
 * As `flextok_decoder_picture`, into `pixels_size` bytes at `pixels` with `stride` bytes from one row to the next (0: no
 * gaps), as `flextok_decode_into` has them. `flextok_decoder_arrived` says the size of the picture beforehand.
 *
 * # Safety
 * `decoder` is null or a decoder; `pixels` is null or points to `pixels_size` bytes.
 */
FlextokStatus flextok_decoder_picture_into(FlextokDecoder *decoder,
                                           uint8_t *pixels,
                                           size_t pixels_size,
                                           size_t stride,
                                           uint32_t format);

/**
 * Ends the file: no bytes follow. `*complete`, unless it is null, receives 1 if it has arrived to its end and 0 if it is
 * truncated, which is no failure. A file too short for any picture, or damaged, is one. The last picture can be decoded
 * afterwards.
 *
 * # Safety
 * `decoder` is null or a decoder; `complete` is null or a place for a number.
 */
FlextokStatus flextok_decoder_finish(FlextokDecoder *decoder,
                                     uint32_t *complete);

/**
 * Encodes a picture: `pixels_size` bytes at `pixels`, of `width` x `height` pixels in `format` (FLEXTOK_FORMAT_RGB or
 * FLEXTOK_FORMAT_RGBA), with `stride` bytes from one row to the next (0: no gaps). `options` may be null. `*file` and
 * `*file_size` receive the file, which `flextok_free` frees; null and 0 after a failure.
 *
 * # Safety
 * `codec` is null or a codec; `pixels` is null or points to `pixels_size` bytes; `options` is null or points to options,
 * whose texts are null or end with a zero byte; `file` and `file_size` are null or places for a pointer and a size.
 */
FlextokStatus flextok_encode(FlextokCodec *codec,
                             const uint8_t *pixels,
                             size_t pixels_size,
                             uint32_t width,
                             uint32_t height,
                             size_t stride,
                             uint32_t format,
                             const FlextokEncodeOptions *options,
                             uint8_t **file,
                             size_t *file_size);

/**
 * Reads a text of a file; `which` is one of FLEXTOK_TEXT_TITLE and the like. `*text` receives it in UTF-8, with a zero byte
 * behind it, which `flextok_free` frees; null if the file has none, and after a failure. `*size`, unless it is null,
 * receives its bytes without that zero: there may be others in a text from a stranger.
 *
 * # Safety
 * `codec` is null or a codec; `file` is null or points to `file_size` bytes; `text` is null or a place for a pointer; `size` is
 * null or a place for a size.
 */
FlextokStatus flextok_file_text(FlextokCodec *codec,
                                const uint8_t *file,
                                size_t file_size,
                                uint32_t which,
                                char **text,
                                size_t *size);

/**
 * Frees the pixels of a picture and sets all of it to zero, so that a second time does no harm. Null is allowed.
 *
 * # Safety
 * `image` is null, or points to a picture that this library filled or to zeros.
 */
void flextok_image_free(FlextokImage *image);

/**
 * What a status means, in a few words: a text that is never freed.
 */
const char *flextok_status_text(int32_t status);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FLEXTOK_H */
