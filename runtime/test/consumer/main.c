#include <stdio.h>

#include "dae_stream.h"

int main(void)
{
    struct dae_model_params params = dae_model_default_params();
    struct dae_model *model;
    params.path = "absent.dae";
    const int status = dae_model_load(&params, &model);
    printf("%s: %s\n", dae_version(), dae_model_error(model));
    dae_model_free(model);
    return status == DAE_ERROR_FILE ? 0 : 1;
}
