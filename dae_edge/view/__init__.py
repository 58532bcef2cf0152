"""What a person sees: pictures, video files, a live window. For looking, not for measuring."""
