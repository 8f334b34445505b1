with

evidence as (

    select *
    from {{ current_version(ref('stg_evidence_versions'), landing_keys().evidence) }} as current_versions

),

-- The shipped records are invented, and so they stay where a later batch corrects them; what lands is real.
final as (

    select
        evidence_id,
        city_code,
        title,
        published_on,
        kind,
        nullif(trim(indicator_code), '') as indicator_code,
        nullif(trim(status), '') as status,
        nullif(trim(url), '') as url,
        nullif(trim(publisher), '') as publisher,
        nullif(trim(text), '') as text,
        batch_id,
        file_name,
        first_batch_number = 0 as is_synthetic
    from evidence

)

select * from final
