/*
 * A loader of GdkPixbuf for flextok pictures: what programs of GTK show, while it arrives and when it was cut. It is linked with
 * the library for C (capi/). The interface is that of gdk-pixbuf-io.h.
 */
#define GDK_PIXBUF_ENABLE_BACKEND
#include <flextok.h>
#include <gdk-pixbuf/gdk-pixbuf.h>

/* A picture while it arrives. */
typedef struct {
    GdkPixbufModuleSizeFunc size;
    GdkPixbufModulePreparedFunc prepared;
    GdkPixbufModuleUpdatedFunc updated;
    gpointer user;
    FlextokCodec *codec;
    FlextokDecoder *decoder;
    GdkPixbuf *pixbuf;
    /* Units of payload of the picture in the pixbuf. */
    guint64 shown;
    /* Whether the caller wants at most half of the size, in which the learned decoder would not show. */
    gboolean small;
} Context;

/* Which error of GdkPixbuf tells most. */
static gint code_of(FlextokStatus status) {
    switch (status) {
    case FLEXTOK_RESOURCES:
        return GDK_PIXBUF_ERROR_INSUFFICIENT_MEMORY;
    case FLEXTOK_UNSUPPORTED:
    case FLEXTOK_MODEL:
        return GDK_PIXBUF_ERROR_UNKNOWN_TYPE;
    case FLEXTOK_CORRUPT:
    case FLEXTOK_NEED_MORE:
        return GDK_PIXBUF_ERROR_CORRUPT_IMAGE;
    default:
        return GDK_PIXBUF_ERROR_FAILED;
    }
}

static gboolean fail(GError **error, FlextokStatus status, const char *message) {
    g_set_error(error, GDK_PIXBUF_ERROR, code_of(status), "flextok: %s", message);
    return FALSE;
}

static void context_free(Context *context) {
    flextok_decoder_free(context->decoder);
    flextok_codec_free(context->codec);
    g_clear_object(&context->pixbuf);
    g_free(context);
}

static gpointer begin_load(GdkPixbufModuleSizeFunc size, GdkPixbufModulePreparedFunc prepared,
                           GdkPixbufModuleUpdatedFunc updated, gpointer user, GError **error) {
    Context *context = g_new0(Context, 1);
    FlextokDecodeOptions plain = {0};
    FlextokStatus status;
    context->size = size;
    context->prepared = prepared;
    context->updated = updated;
    context->user = user;
    context->codec = flextok_codec_new();
    /* Until all is there: many times as fast. */
    plain.look = FLEXTOK_LOOK_PLAIN;
    status = flextok_decoder_new(context->codec, &plain, &context->decoder);
    if (status != FLEXTOK_OK) {
        fail(error, status, flextok_codec_message(context->codec));
        context_free(context);
        return NULL;
    }
    return context;
}

/* Makes the pixbuf once the size is known. */
static gboolean prepare(Context *context, const FlextokArrived *arrived, GError **error) {
    gint width = (gint)arrived->width, height = (gint)arrived->height;
    if (context->size != NULL) {
        /* What the caller wants instead, the caller makes of the pixbuf; a side of 0 tells that it wants no picture. */
        context->size(&width, &height, context->user);
        if (width == 0 || height == 0) {
            return fail(error, FLEXTOK_CANCELLED, "no picture was wanted");
        }
        context->small = width <= (gint)(arrived->width / 2) && height <= (gint)(arrived->height / 2);
    }
    context->pixbuf = gdk_pixbuf_new(GDK_COLORSPACE_RGB, FALSE, 8, (gint)arrived->width, (gint)arrived->height);
    if (context->pixbuf == NULL) {
        return fail(error, FLEXTOK_RESOURCES, "no memory for the picture");
    }
    gdk_pixbuf_fill(context->pixbuf, 0xffffffff);
    if (context->prepared != NULL) {
        context->prepared(context->pixbuf, NULL, context->user);
    }
    return TRUE;
}

/* Decodes what has arrived into the pixbuf. */
static FlextokStatus show(Context *context) {
    guint length;
    guchar *pixels = gdk_pixbuf_get_pixels_with_length(context->pixbuf, &length);
    FlextokStatus status = flextok_decoder_picture_into(context->decoder, pixels, length,
                                                        (size_t)gdk_pixbuf_get_rowstride(context->pixbuf),
                                                        FLEXTOK_FORMAT_RGB);
    if (status == FLEXTOK_OK && context->updated != NULL) {
        context->updated(context->pixbuf, 0, 0, gdk_pixbuf_get_width(context->pixbuf),
                         gdk_pixbuf_get_height(context->pixbuf), context->user);
    }
    return status;
}

static gboolean load_increment(gpointer data, const guchar *bytes, guint size, GError **error) {
    Context *context = data;
    FlextokArrived arrived;
    FlextokStatus status = flextok_decoder_feed(context->decoder, bytes, size);
    if (status == FLEXTOK_OK) {
        status = flextok_decoder_arrived(context->decoder, &arrived);
    }
    if (status != FLEXTOK_OK) {
        return fail(error, status, flextok_decoder_message(context->decoder));
    }
    if (context->pixbuf == NULL && arrived.width > 0 && !prepare(context, &arrived, error)) {
        return FALSE;
    }
    /* Each picture shown costs a decode: the next one is worth it with twice as much of the file. The end shows all. */
    if (context->pixbuf != NULL && arrived.units > 2 * context->shown && !arrived.complete) {
        status = show(context);
        if (status != FLEXTOK_OK) {
            return fail(error, status, flextok_decoder_message(context->decoder));
        }
        context->shown = arrived.units;
    }
    return TRUE;
}

static gboolean stop_load(gpointer data, GError **error) {
    Context *context = data;
    gboolean done = TRUE;
    guint32 complete = 0;
    /* A file that was cut is no fault. */
    FlextokStatus status = flextok_decoder_finish(context->decoder, &complete);
    if (status == FLEXTOK_OK && !context->small) {
        status = flextok_decoder_set_options(context->decoder, NULL);
    }
    if (status == FLEXTOK_OK && context->pixbuf != NULL) {
        status = show(context);
    }
    if (status != FLEXTOK_OK) {
        done = fail(error, status, flextok_decoder_message(context->decoder));
    }
    context_free(context);
    return done;
}

/* The symbols that GdkPixbuf looks up in a module. */
G_MODULE_EXPORT void fill_vtable(GdkPixbufModule *module);
G_MODULE_EXPORT void fill_info(GdkPixbufFormat *info);

void fill_vtable(GdkPixbufModule *module) {
    module->begin_load = begin_load;
    module->load_increment = load_increment;
    module->stop_load = stop_load;
}

void fill_info(GdkPixbufFormat *info) {
    static GdkPixbufModulePattern signature[] = {{(char *)"\xf6\xdc", NULL, 80}, {NULL, NULL, 0}};
    static gchar *mime_types[] = {(gchar *)"image/vnd.flextok", NULL};
    static gchar *extensions[] = {(gchar *)"flxt", NULL};
    info->name = (gchar *)"flextok";
    info->signature = signature;
    info->description = (gchar *)"flextok picture";
    info->mime_types = mime_types;
    info->extensions = extensions;
    info->flags = GDK_PIXBUF_FORMAT_THREADSAFE;
    info->license = (gchar *)"MIT OR Apache-2.0";
}
