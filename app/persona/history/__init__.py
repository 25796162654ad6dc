"""What the files of the space held before and after: kept, compared, merged, put back."""
