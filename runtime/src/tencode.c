/* Tencode and voxel grid of an array of events: a direct scatter, the last event in array order wins. */
#include "tencode.h"

#include <math.h>   /* floor, fabs */
#include <string.h> /* memset */

#include "events.h"
#include "kernels.h"

/* The output has `planes` values for each pixel. Divided, not multiplied: no product that a size_t may not hold. */
static int check(const struct dae_events *events, uint16_t width, uint16_t height, const void *out, size_t size,
                 size_t planes)
{
    if (!dae_events_are_sound(events) || out == NULL || width == 0 || height == 0 || planes == 0)
        return DAE_ERROR_ARGUMENT;
    return size / planes < (size_t)width * height ? DAE_ERROR_BUFFER : DAE_OK;
}

static int check_background(enum dae_background background)
{
    return background == DAE_BACKGROUND_BLACK || background == DAE_BACKGROUND_WHITE ? DAE_OK : DAE_ERROR_ARGUMENT;
}

static struct dae_interval interval_of(const struct dae_events *events)
{
    if (events->n == 0) return (struct dae_interval){0};
    const int64_t first_us = dae_event_at(events, events->layout, 0).t;
    const int64_t last_us = dae_event_at(events, events->layout, events->n - 1).t;
    return (struct dae_interval){first_us, dae_tencode_elapsed(first_us, last_us)};
}

static float green_of(const struct dae_event *event, const struct dae_interval *interval)
{
    return dae_tencode_green(dae_tencode_elapsed(interval->first_us, event->t), interval->span);
}

static int is_outside(const struct dae_event *event, uint16_t width, uint16_t height)
{
    return event->x >= width || event->y >= height;
}

int dae_tencode_u8_events(const struct dae_events *events, uint16_t width, uint16_t height,
                          enum dae_background background, enum dae_simd simd, uint8_t *image, size_t size,
                          size_t *dropped)
{
    const struct dae_kernels *kernels = dae_kernels_of(simd);
    if (kernels == NULL || check_background(background) != DAE_OK) return DAE_ERROR_ARGUMENT;
    const int status = check(events, width, height, image, size, 3);
    if (status != DAE_OK) return status;
    memset(image, background == DAE_BACKGROUND_WHITE ? 255 : 0, (size_t)width * height * 3);
    const struct dae_interval interval = interval_of(events);
    size_t outside = 0;
    size_t i = kernels->tencode_u8 ? kernels->tencode_u8(events, &interval, width, height, image, &outside) : 0;
    for (; i < events->n; i++) {
        const struct dae_event event = dae_event_at(events, events->layout, i);
        if (is_outside(&event, width, height)) {
            outside++;
            continue;
        }
        uint8_t *pixel = image + ((size_t)event.y * width + event.x) * 3;
        pixel[0] = event.on ? 255 : 0;
        pixel[1] = dae_tencode_level(green_of(&event, &interval));
        pixel[2] = event.on ? 0 : 255;
    }
    if (dropped) *dropped = outside;
    return DAE_OK;
}

int dae_tencode_u8(const struct dae_event *events, size_t n, uint16_t width, uint16_t height,
                   enum dae_background background, uint8_t *image, size_t size, size_t *dropped)
{
    const struct dae_events packed = dae_events_packed(events, n);
    return dae_tencode_u8_events(&packed, width, height, background, DAE_SIMD_AUTO, image, size, dropped);
}

int dae_tencode_f32_events(const struct dae_events *events, uint16_t width, uint16_t height,
                           enum dae_background background, float *image, size_t size, size_t *dropped)
{
    if (check_background(background) != DAE_OK) return DAE_ERROR_ARGUMENT;
    const int status = check(events, width, height, image, size, 3);
    if (status != DAE_OK) return status;
    const size_t pixels = (size_t)width * height;
    for (size_t i = 0; i < pixels * 3; i++) image[i] = background == DAE_BACKGROUND_WHITE ? 1.0f : 0.0f;
    const struct dae_interval interval = interval_of(events);
    size_t outside = 0;
    for (size_t i = 0; i < events->n; i++) {
        const struct dae_event event = dae_event_at(events, events->layout, i);
        if (is_outside(&event, width, height)) {
            outside++;
            continue;
        }
        float *pixel = image + (size_t)event.y * width + event.x;
        pixel[0] = event.on ? 1.0f : 0.0f;
        pixel[pixels] = green_of(&event, &interval) / 255.0f;
        pixel[pixels * 2] = event.on ? 0.0f : 1.0f;
    }
    if (dropped) *dropped = outside;
    return DAE_OK;
}

int dae_tencode_f32(const struct dae_event *events, size_t n, uint16_t width, uint16_t height,
                    enum dae_background background, float *image, size_t size, size_t *dropped)
{
    const struct dae_events packed = dae_events_packed(events, n);
    return dae_tencode_f32_events(&packed, width, height, background, image, size, dropped);
}

/* Two passes, early neighbours then late ones: the order in which the reference adds, so that sums are equal. */
int dae_voxel_grid_events(const struct dae_events *events, uint16_t bins, uint16_t width, uint16_t height, float *grid,
                          size_t size, size_t *dropped)
{
    const int status = check(events, width, height, grid, size, bins);
    if (status != DAE_OK) return status;
    const size_t pixels = (size_t)width * height, n = events->n;
    memset(grid, 0, pixels * bins * sizeof *grid);
    const double first = n ? (double)dae_event_at(events, events->layout, 0).t : 0.0;
    double interval = n ? (double)dae_event_at(events, events->layout, n - 1).t - first : 0.0;
    if (interval == 0.0) interval = 1.0;
    size_t outside = 0;
    for (int late = 0; late <= 1; late++) {
        for (size_t i = 0; i < n; i++) {
            const struct dae_event event = dae_event_at(events, events->layout, i);
            if (is_outside(&event, width, height)) {
                outside += (size_t)!late;
                continue;
            }
            const double scaled = (bins - 1) * ((double)event.t - first) / interval;
            const double bin = floor(scaled) + late;
            if (!(bin >= 0.0 && bin < bins)) continue;
            const float weight = (float)((event.on ? 1.0 : -1.0) * (1.0 - fabs(bin - scaled)));
            grid[(size_t)bin * pixels + (size_t)event.y * width + event.x] += weight;
        }
    }
    if (dropped) *dropped = outside;
    return DAE_OK;
}

int dae_voxel_grid(const struct dae_event *events, size_t n, uint16_t bins, uint16_t width, uint16_t height,
                   float *grid, size_t size, size_t *dropped)
{
    const struct dae_events packed = dae_events_packed(events, n);
    return dae_voxel_grid_events(&packed, bins, width, height, grid, size, dropped);
}
